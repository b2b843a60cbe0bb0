// The counters of a subscription.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace eventhub {

// Since the hub started. Guarded by the subscription's mutex. Settled events count when the commit
// that settles them is visible.
struct SubscriptionCounters {
  uint64_t delivered_events = 0;
  uint64_t delivered_bytes = 0;
  uint64_t redelivered_events = 0;
  uint64_t acked = 0;
  uint64_t nacked = 0;
  uint64_t skipped = 0;
  uint64_t expired = 0;
  uint64_t dead_lettered = 0;
  int64_t open_dead_letters = 0;  // A gauge, not a counter.
  uint64_t filtered = 0;
  absl::Time last_ack = absl::InfinitePast();
};

}  // namespace eventhub
