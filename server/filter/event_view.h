// Attributes of an encoded event, found without decoding it.
//
//     EventView event(bytes);
//     const filter::Value type = event.Find("type");
#pragma once

#include "absl/strings/string_view.h"
#include "server/filter/attribute_set.h"
#include "server/filter/value.h"

namespace eventhub {

// A view of the bytes of one message eventhub.v1.Event, as the hub stores it (without the tag and
// the length before it). Looks at the attributes alone, never at `data`.
// It agrees with what a protobuf parser makes of the same bytes: the last of repeated fields holds
// and messages are merged, which is why it always looks at all fields. The bytes must outlive the
// view and the values found. Thread-safe.
class EventView {
 public:
  explicit EventView(absl::string_view encoded) : encoded_(encoded) {}

  // An event of which it is known how its producer wrote `time`. The hub does not keep that: its
  // events hold an instant, which is seen as RFC 3339 in UTC.
  EventView(absl::string_view encoded, absl::string_view time_text)
      : encoded_(encoded), time_text_(time_text) {}

  // The attribute of that CloudEvents name. Missing if the event has none, or is not well-formed;
  // the required attributes `id`, `source`, `type` and `specversion` are never missing.
  filter::Value Find(absl::string_view name) const;

  // Finds all that are wanted in one pass, into as many values. False if the event is not
  // well-formed; the values are then of no meaning.
  bool Read(const filter::AttributeSet& wanted, filter::Value* values) const;

 private:
  absl::string_view encoded_;
  absl::string_view time_text_;
};

}  // namespace eventhub
