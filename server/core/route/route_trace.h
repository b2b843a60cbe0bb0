// Explains where an event would go, and why not elsewhere.
#pragma once

#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"
#include "eventhub/v1/route.pb.h"
#include "server/core/route/route_set.h"

namespace eventhub {

// Returns what the routes of `set`, which may be null, would do with an event published to `topic`.
// INVALID_ARGUMENT if the topic would not accept the event; RESOURCE_EXHAUSTED if the event passes
// through too many routes to list.
absl::StatusOr<v1::TestRoutesResponse> TraceEvent(const Topic& topic, const RouteSet* set,
                                                  const v1::Event& event);

}  // namespace eventhub
