// An event as a CloudEvent 1.0 in the JSON format, on one line, and back.
//
//     std::string lines;
//     json::AppendEvent(event, {.position = position}, &lines);
//     lines.push_back('\n');
//     absl::StatusOr<v1::Event> again = json::ParseEvent(line);
//
// `data` makes the round trip byte for byte: JSON is written as it is where a line can hold it (the
// event says that it is JSON or names no content type, it is valid JSON, and it has no line breaks
// and no white space around it). Text is a string if the content type is text/*. All other data is
// `data_base64`.
//
// JSON has fewer types than CloudEvents: attributes of the types binary, URI, URI-reference and
// timestamp are strings, and JSON data without a content type is `application/json` to any reader.
// AppendOptions.exact adds members that say what it was; ParseEvent() heeds them. Of an event that
// no member can say all of, e.g. one with fields of a later version, the event lake adds
// `hub_message`, the encoded event in Base64: ParseEvent() returns that, whatever the others say.
//
// Names of members of ours have a `_`, which no attribute of CloudEvents has. All functions are
// thread-safe, and use memory beyond their output only for the list of the attributes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::json {

// Where a stored event is: the members `hub_partition`, `hub_offset` and `hub_append_time`, and
// `hub_delivery_attempt`, `hub_redelivered` and `hub_replayed` if it was delivered to a consumer.
struct Position {
  uint32_t partition = 0;
  int64_t offset = 0;
  absl::Time append_time;
  // The number of the delivery, from 1; 0: read without a subscription.
  uint32_t attempt = 0;
  // Whether a consumer may have handled it before.
  bool redelivered = false;
  // Whether it comes from a replay or a redrive.
  bool replayed = false;
};

struct AppendOptions {
  // Not set for an event that is not in a log.
  std::optional<Position> position{};
  // Adds what JSON cannot say, if the event has any of it: `hub_types`, an object with the types of
  // attributes, `Binary`, `URI`, `URI-reference` or `Timestamp`; and `hub_untyped`, true, if the
  // data is JSON and the event names no content type. ParseEvent() then returns the same event.
  bool exact = false;
};

// Appends the event as one line without its newline. `deliver_at` and `deliver_after` are not
// written. An attribute that has the name of another member goes into the object `hub_attributes`.
void AppendEvent(const v1::Event& event, const AppendOptions& options, std::string* to);

// The same, of the encoded message, as it is stored and delivered, without decoding it. False, with
// nothing appended, if it is malformed.
bool AppendEncodedEvent(absl::string_view encoded, const AppendOptions& options, std::string* to);

// Parses one event. The members of a position are ignored. JSON data is kept as it is written,
// without the white space around it. Attributes that are missing stay empty. INVALID_ARGUMENT,
// naming the member, if `line` is not a JSON object that can be an event.
absl::StatusOr<v1::Event> ParseEvent(absl::string_view line);

// Appends the value of an attribute as JSON; `null` if it has none.
void AppendAttribute(const v1::AttributeValue& value, std::string* to);

}  // namespace eventhub::json
