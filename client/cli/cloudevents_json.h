// Events as CloudEvents 1.0 in their JSON format, one per line, and back.
//
// JSON has fewer types than CloudEvents: binary, URI and timestamp extension attributes become
// strings, and come back as strings. All else makes the round trip unchanged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cli/json.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::cli {

// Where a stored event is; becomes the members `partition`, `offset` and `appendtime`, and
// `deliveryattempt` if it was delivered to a consumer.
struct Position {
  uint32_t partition = 0;
  int64_t offset = 0;
  absl::Time append_time;
  // How often it was delivered; 0: it was read without a subscription.
  uint32_t attempt = 0;
};

// Appends one line without its newline; without a position for what is not in a log. `data` is
// written as JSON if the event says that it is JSON (or does not say) and it is, as a string if its
// content type is text, else as `data_base64`. JSON data is copied as it was stored.
void AppendEventJson(const v1::Event& event, const std::optional<Position>& position,
                     std::string* line);

// Reads one event. Members that AppendEventJson() adds for the position are dropped. JSON data is
// stored in a form of its own: without white space, members sorted, numbers as doubles where they
// are no 64-bit integers; `data_base64` keeps every byte. Attributes that are missing stay empty;
// who publishes the event fills them in or refuses it. INVALID_ARGUMENT, naming the member, if
// `line` is not a JSON object that can be an event.
absl::StatusOr<v1::Event> ParseEventJson(absl::string_view line);

// The value of an extension attribute.
Json AttributeJson(const v1::AttributeValue& value);

// Seconds and nanoseconds of a protobuf timestamp.
google::protobuf::Timestamp ToTimestamp(absl::Time time);
absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp);

}  // namespace eventhub::cli
