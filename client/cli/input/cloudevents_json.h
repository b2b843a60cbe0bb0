// Events as CloudEvents 1.0 in their JSON format, one per line, and back.
//
// Data makes the round trip byte for byte. JSON has fewer types than CloudEvents: binary, URI and
// timestamp extension attributes become strings, and come back as strings. JSON data without a
// content type comes back as `application/json`, which the format says it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cli/input/json.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::cli {

// Where a stored event is; becomes the members `hub_partition`, `hub_offset` and `hub_append_time`,
// and `hub_delivery_attempt`, `hub_redelivered` and `hub_replayed` if it was delivered to a
// consumer. No attribute has an `_` in its name.
struct Position {
  uint32_t partition = 0;
  int64_t offset = 0;
  absl::Time append_time;
  // How often it was delivered; 0: it was read without a subscription.
  uint32_t attempt = 0;
  // Whether a consumer may have handled it before.
  bool redelivered = false;
  // Whether it is of a replay or a redrive.
  bool replayed = false;
};

// Appends one line without its newline; without a position for what is not in a log. JSON data is
// written as it is where a line can hold it: the event says that it is JSON (or does not say), it
// is, and it has no line breaks and no white space around it. Text is written as a string if the
// content type is text. All else is written as `data_base64`, so that every byte comes back.
void AppendEventJson(const v1::Event& event, const std::optional<Position>& position,
                     std::string* line);

// Reads one event. Members that AppendEventJson() adds for the position are dropped. JSON data is
// stored as it is written, without the white space around it. Attributes that are missing stay
// empty; who publishes the event fills them in or refuses it. INVALID_ARGUMENT, naming the member,
// if `line` is not a JSON object that can be an event.
absl::StatusOr<v1::Event> ParseEventJson(absl::string_view line);

// The value of an extension attribute.
Json AttributeJson(const v1::AttributeValue& value);

// Seconds and nanoseconds of a protobuf timestamp.
google::protobuf::Timestamp ToTimestamp(absl::Time time);
absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp);

}  // namespace eventhub::cli
