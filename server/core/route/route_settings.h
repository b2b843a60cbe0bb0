// The rules for a route's settings.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/route.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "server/core/event/event_scanner.h"

namespace eventhub {

// All that can be told of a route alone, but for its filter, which CompiledRoute::Make checks.
// INVALID_ARGUMENT names the field. `rules` are for the attributes that it sets.
absl::Status CheckRouteSettings(const v1::Route& route, EventRules rules);

// The settings that a route is created with: `asked`, checked, defaults filled in.
absl::StatusOr<v1::Route> NewRouteSettings(const v1::Route& asked, absl::Time now);

// `current` with the fields that the mask names taken from `asked`, checked.
absl::StatusOr<v1::Route> ChangedRouteSettings(const v1::Route& current, const v1::Route& asked,
                                               const google::protobuf::FieldMask& mask,
                                               absl::Time now);

// Whether it leaves out copies that a target cannot take. Then its targets need not exist: topics
// may be deleted, made again, or made later.
bool SkipsUnavailable(const v1::Route& route);

}  // namespace eventhub
