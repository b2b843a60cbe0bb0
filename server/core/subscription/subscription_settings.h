// The rules for a subscription's name and settings.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.pb.h"
#include "eventhub/v1/subscription.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/memory_meter.h"
#include "server/core/event/event_filter.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/records.pb.h"

namespace eventhub {

// Returns the settings of a new subscription of `topic`: `asked`, checked, with defaults filled in.
// INVALID_ARGUMENT names the field at fault, e.g. `subscription.ack_deadline`. The caller checks
// that the dead-letter topic exists.
absl::StatusOr<v1::Subscription> NewSubscriptionSettings(const v1::Subscription& asked,
                                                         const v1::Topic& topic, absl::Time now);

// Returns `current` with the fields of the mask taken from `asked`. An unset retry policy means the
// default. INVALID_ARGUMENT names the field at fault, or `update_mask`.
absl::StatusOr<v1::Subscription> ChangedSubscriptionSettings(
    const v1::Subscription& current, const v1::Subscription& asked,
    const google::protobuf::FieldMask& mask);

// The dead-letter topic that is created with a subscription of these complete settings, unless a
// topic with its name exists.
v1::Topic DeadLetterTopicFor(const v1::Subscription& settings);

// Checks complete settings; INVALID_ARGUMENT as above.
absl::Status CheckSubscriptionSettings(const v1::Subscription& settings);

// The rules that cursors use, from settings that the functions above returned.
DeliveryRules RulesOf(const v1::Subscription& settings);

// The compiled filter of such settings; null if there is none.
std::shared_ptr<const EventFilter> FilterOf(const v1::Subscription& settings, MemoryMeter& memory);
// Likewise with the filter of replays, if it has one: `filter` otherwise, which is that of the
// settings.
std::shared_ptr<const EventFilter> ReplayFilterOf(const stored::Subscription& record,
                                                  std::shared_ptr<const EventFilter> filter,
                                                  MemoryMeter& memory);

bool SameFilter(const v1::Subscription& a, const v1::Subscription& b);

// RESOURCE_EXHAUSTED: no memory is left for the filter.
absl::Status CheckFilterMemory(const v1::Filter& filter, const MemoryMeter& memory);

// How long the subscription may be unused; absl::InfiniteDuration() if there is no limit.
absl::Duration ExpireAfterOf(const v1::Subscription& settings);

}  // namespace eventhub
