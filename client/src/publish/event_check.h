// Checks of events that need no hub.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// INVALID_ARGUMENT, naming the field, if a required attribute is missing or an attribute is longer
// than eventhub/v1/event.proto allows, or if the two ways to delay an event are at odds. Cheap:
// looks at lengths only. `more_attributes`: that are about to be added.
absl::Status CheckEvent(const v1::Event& event, size_t more_attributes = 0);

}  // namespace eventhub::client
