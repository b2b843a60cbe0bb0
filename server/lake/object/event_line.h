// One event as one line of an object: a CloudEvent in JSON with its place in the hub's log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::lake {

// Where an event is in its topic.
struct EventPosition {
  uint32_t partition = 0;
  int64_t offset = 0;
  int64_t append_micros = 0;  // Since the Unix epoch.

  friend bool operator==(const EventPosition& a, const EventPosition& b) = default;
};

// What an event is found by.
struct EventKeys {
  absl::string_view id;
  absl::string_view type;
  absl::string_view subject;
  absl::string_view correlation_id;  // The attribute `correlationid`, if it is a string.
};

// The keys of an encoded event, as parts of it; those of what could be read, if it is malformed.
EventKeys KeysOf(absl::string_view encoded);

// The same of a line of an object. INVALID_ARGUMENT if it is no such line.
struct LineKeys {
  std::string id;
  std::string type;
  std::string subject;
  std::string correlation_id;

  EventKeys View() const { return {id, type, subject, correlation_id}; }
};
absl::StatusOr<LineKeys> KeysOfLine(absl::string_view line);

// Appends the line with its newline, and returns the keys. Any bytes are accepted: a line of an
// event that JSON cannot express, such as one with fields of a later version, has the member
// `hub_message` besides what JSON can express of it.
EventKeys AppendEventLine(const EventPosition& position, absl::string_view encoded,
                          std::string* to);

// The position that a line of an object names; nothing if it names none.
std::optional<EventPosition> PositionOf(absl::string_view line);

// The event of a line: the message that was written, equal in all its fields. INVALID_ARGUMENT if
// it is no such line, or what was written was no such message.
absl::StatusOr<v1::Event> EventOf(absl::string_view line);

// The same, encoded; if the line has `hub_message`, the bytes that were written.
absl::StatusOr<std::string> EncodedOf(absl::string_view line);

}  // namespace eventhub::lake
