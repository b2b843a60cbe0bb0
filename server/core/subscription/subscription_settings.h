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

namespace eventhub {

// The settings that a subscription of `topic` is created with: `asked`, checked, defaults filled
// in. INVALID_ARGUMENT names the field at fault, e.g. `subscription.ack_deadline`. Whether there is
// a dead-letter topic of that name is for the caller to see to.
absl::StatusOr<v1::Subscription> NewSubscriptionSettings(const v1::Subscription& asked,
                                                         const v1::Topic& topic, absl::Time now);

// `current` with the fields that the mask names taken from `asked`. A retry policy that is not set
// is the default one. INVALID_ARGUMENT names the field at fault, or `update_mask`.
absl::StatusOr<v1::Subscription> ChangedSubscriptionSettings(
    const v1::Subscription& current, const v1::Subscription& asked,
    const google::protobuf::FieldMask& mask);

// The topic that is created with a subscription of these complete settings, for its dead letters,
// unless there is one of that name.
v1::Topic DeadLetterTopicFor(const v1::Subscription& settings);

// Whether these can be complete settings; INVALID_ARGUMENT as above.
absl::Status CheckSubscriptionSettings(const v1::Subscription& settings);

// What cursors go by, of settings that the functions above made.
DeliveryRules RulesOf(const v1::Subscription& settings);

// The filter of such settings, compiled; null: none.
std::shared_ptr<const EventFilter> FilterOf(const v1::Subscription& settings, MemoryMeter& memory);

bool SameFilter(const v1::Subscription& a, const v1::Subscription& b);

// RESOURCE_EXHAUSTED: there is no memory for its filter.
absl::Status CheckFilterMemory(const v1::Subscription& settings, const MemoryMeter& memory);

// For how long the subscription may be unused; absl::InfiniteDuration() if for ever.
absl::Duration ExpireAfterOf(const v1::Subscription& settings);

}  // namespace eventhub
