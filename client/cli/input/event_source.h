// Makes events from lines of text, or of CloudEvents in JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::cli {

// The attributes of events in addition to those in the lines.
struct EventTemplate {
  // True if a line is a CloudEvent; false if it is the data of an event.
  bool json_input = false;
  // Set on events without them; on all events made from text.
  std::string type;
  std::string source;
  std::string subject;
  std::string content_type;
  std::string key;
  std::vector<std::pair<std::string, std::string>> attributes;
  // When events are appended. At most one is set; if none is, at once.
  std::optional<absl::Time> deliver_at;
  std::optional<absl::Duration> deliver_after;
  // Ids are this prefix and a number, starting at 1.
  std::string id_prefix;
  // Where the key is: a column (`2`, separated by white space, from 1), or a dotted path into the
  // JSON data (`customer.id`). Empty: nowhere.
  std::string key_field;
};

// A hint for a line that is not an event but looks like a part of JSON over several lines, or like
// an array: how to turn that into one event per line. Empty for any other line.
absl::string_view JsonLineHint(absl::string_view line);

// Thread-compatible.
class EventSource {
 public:
  explicit EventSource(EventTemplate event_template);

  // INVALID_ARGUMENT says what is wrong with the line: it is not an event, or has no key field.
  absl::StatusOr<v1::Event> FromLine(absl::string_view line);

 private:
  v1::Event FromText(absl::string_view line) const;
  void FillIn(v1::Event& event) const;
  absl::StatusOr<std::string> FindKey(absl::string_view line, const v1::Event& event) const;

  const EventTemplate template_;
  const uint64_t key_column_;  // 0: key_field is a path.
  uint64_t count_ = 0;
};

}  // namespace eventhub::cli
