// Timestamps as text: RFC 3339 in UTC, with four digits for every year from 1 to 9999.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace eventhub::json {

// Appends the time with as many digits of a second as it needs, up to nine; none for a whole one.
void AppendTimestamp(absl::Time time, std::string* to);

// Parses a time of RFC 3339 with any offset. INVALID_ARGUMENT if it is none, is not within the
// years 1 to 9999 in UTC, or has digits below the nanosecond.
absl::StatusOr<absl::Time> ParseTimestamp(absl::string_view text);

// Parses a time in the form that AppendTimestamp writes; false for any other. Takes a tenth of the
// time of ParseTimestamp.
bool ParseWrittenTimestamp(absl::string_view text, int64_t* seconds, int32_t* nanos);

// Whether protobuf's Timestamp can hold `time`: the years 1 to 9999.
bool IsTimestamp(absl::Time time);

google::protobuf::Timestamp ToTimestamp(absl::Time time);
absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp);

}  // namespace eventhub::json
