// The contract's times, and ours.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace eventhub {

absl::Time ToTime(const google::protobuf::Timestamp& timestamp);

// Rounded down to microseconds, the resolution of the store.
google::protobuf::Timestamp TimestampOf(absl::Time time);

}  // namespace eventhub
