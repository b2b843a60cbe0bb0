// The settings of a subscription that decide about deliveries and attempts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "server/core/subscription/cursor/pending_ranges.h"

namespace eventhub {

// The settings of a subscription that its cursors use. Times in microseconds.
struct DeliveryRules {
  bool queue = false;
  bool ordered_by_key = false;
  int64_t ack_deadline = 0;  // 0: none.
  int64_t min_backoff = 0;
  int64_t max_backoff = 0;
  uint32_t max_attempts = 0;  // 0: no limit.

  // Whether the attempt with this number is the last one allowed.
  bool IsLast(uint32_t attempts) const { return max_attempts > 0 && attempts >= max_attempts; }
  // `attempts`, reduced so that one more attempt is allowed.
  uint16_t BeforeLast(uint32_t attempts) const {
    if (max_attempts > 0) attempts = std::min(attempts, max_attempts - 1);
    return PendingRange::CountableAttempts(attempts);
  }
};

}  // namespace eventhub
