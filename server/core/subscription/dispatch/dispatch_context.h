// What the classes that serve the consumers of one subscription share.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "server/core/subscription/cursor/cursor_set.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/consumer_group.h"
#include "server/core/subscription/dispatch/subscription_counters.h"
#include "storage/base/clock.h"

namespace eventhub {

// References to members of the subscription, which its mutex guards; the clock and the epochs are
// thread-safe.
struct DispatchContext {
  CursorSet& cursors;
  ConsumerGroup& consumers;
  SubscriptionCounters& counters;
  const DeliveryRules& rules;  // As of the last visible commit.
  const Clock& clock;
  std::atomic<uint64_t>& epochs;  // Of leases.

  // The monotonic clock, in microseconds.
  int64_t Now() const { return absl::ToInt64Microseconds(clock.Monotonic()); }
  uint64_t NewEpoch() const { return epochs.fetch_add(1); }
};

}  // namespace eventhub
