// The fields of an event that decide where it goes, read from its encoding.
#pragma once

#include "absl/strings/string_view.h"

namespace eventhub {

// If a field is repeated, the last value counts. Views the event.
struct EventHead {
  absl::string_view source;
  absl::string_view type;
  absl::string_view key;
};

// `event` is one valid encoded eventhub.v1.Event.
EventHead ReadEventHead(absl::string_view event);

}  // namespace eventhub
