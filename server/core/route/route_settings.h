// The rules for a route's settings.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/route.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "server/core/event/event_scanner.h"

namespace eventhub {

// Checks everything that depends on the route alone, except its filter, which CompiledRoute::Make
// checks. INVALID_ARGUMENT names the field. `rules` apply to the attributes that the route sets.
absl::Status CheckRouteSettings(const v1::Route& route, EventRules rules);

// Returns the settings of a new route: `asked`, checked, with defaults filled in.
absl::StatusOr<v1::Route> NewRouteSettings(const v1::Route& asked, absl::Time now);

// Returns `current` with the fields of the mask taken from `asked`, checked.
absl::StatusOr<v1::Route> ChangedRouteSettings(const v1::Route& current, const v1::Route& asked,
                                               const google::protobuf::FieldMask& mask,
                                               absl::Time now);

// Whether the route skips copies that a target cannot accept. Then its targets need not exist:
// topics may be deleted, recreated, or created later.
bool SkipsUnavailable(const v1::Route& route);

}  // namespace eventhub
