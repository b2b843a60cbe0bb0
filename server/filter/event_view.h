// Finds attributes of an encoded event without decoding it.
//
//     EventView event(bytes);
//     const filter::Value type = event.Find("type");
#pragma once

#include "absl/strings/string_view.h"
#include "server/filter/attribute_set.h"
#include "server/filter/value.h"

namespace eventhub {

// A view of one encoded eventhub.v1.Event, as the hub stores it (without the tag and length that
// precede it). Reads attributes only, never `data`.
// Agrees with a protobuf parser on the same bytes: the last occurrence of a field wins and messages
// are merged, so it always scans all fields. The bytes must outlive the view and the values found.
// Thread-safe.
class EventView {
 public:
  explicit EventView(absl::string_view encoded) : encoded_(encoded) {}

  // For an event whose producer's spelling of `time` is known. Stored events hold only the instant,
  // which is read as RFC 3339 in UTC.
  EventView(absl::string_view encoded, absl::string_view time_text)
      : encoded_(encoded), time_text_(time_text) {}

  // Returns the attribute with that CloudEvents name, or a missing value if the event does not have
  // it or is malformed. The required attributes `id`, `source`, `type` and `specversion` are never
  // missing.
  filter::Value Find(absl::string_view name) const;

  // Finds all wanted attributes in one pass, into as many values. Returns false, leaving the values
  // unspecified, if the event is malformed.
  bool Read(const filter::AttributeSet& wanted, filter::Value* values) const;

 private:
  absl::string_view encoded_;
  absl::string_view time_text_;
};

}  // namespace eventhub
