// Where an event would go, and why not elsewhere.
#pragma once

#include "absl/status/statusor.h"
#include "eventhub/v1/event.pb.h"
#include "eventhub/v1/route.pb.h"
#include "server/core/route/route_set.h"

namespace eventhub {

// What would become of an event that is published to `topic`, by the routes of `set`, which may be
// null. INVALID_ARGUMENT if the topic would not take the event; RESOURCE_EXHAUSTED if it goes
// through too many routes to list them.
absl::StatusOr<v1::TestRoutesResponse> TraceEvent(const Topic& topic, const RouteSet* set,
                                                  const v1::Event& event);

}  // namespace eventhub
