// What decides where an event goes, read from its bytes.
#pragma once

#include "absl/strings/string_view.h"

namespace eventhub {

// Of repeated fields, the last one holds. Views the event.
struct EventHead {
  absl::string_view source;
  absl::string_view type;
  absl::string_view key;
};

// Of the bytes of one valid message eventhub.v1.Event.
EventHead ReadEventHead(absl::string_view event);

}  // namespace eventhub
