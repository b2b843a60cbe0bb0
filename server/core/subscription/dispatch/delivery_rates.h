// The rate limits of a subscription.
#pragma once

#include <algorithm>
#include <cstdint>

#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/dispatch/token_bucket.h"

namespace eventhub {

// One limit for all deliveries, and an additional one for replays and redrives. Times are
// microseconds of the monotonic clock. Not thread-safe.
class DeliveryRates {
 public:
  void SetLimits(const v1::RateLimit& all, const v1::RateLimit& extra, int64_t now) {
    events_.SetRate(all.events_per_second(), now);
    bytes_.SetRate(all.bytes_per_second(), now);
    extra_events_.SetRate(extra.events_per_second(), now);
    extra_bytes_.SetRate(extra.bytes_per_second(), now);
  }

  // When an event may be delivered: `now`, or later.
  int64_t AvailableAt(int64_t now) {
    return std::max(events_.AvailableAt(now), bytes_.AvailableAt(now));
  }
  int64_t ExtraAvailableAt(int64_t now) {
    return std::max(extra_events_.AvailableAt(now), extra_bytes_.AvailableAt(now));
  }

  // How many may be delivered now.
  int64_t Events(int64_t now) { return events_.Available(now); }
  int64_t Bytes(int64_t now) { return bytes_.Available(now); }
  int64_t ExtraEvents(int64_t now) { return extra_events_.Available(now); }

  void Take(int64_t events, int64_t bytes, bool extra) {
    events_.Take(events);
    bytes_.Take(bytes);
    if (!extra) return;
    extra_events_.Take(events);
    extra_bytes_.Take(bytes);
  }

 private:
  TokenBucket events_;
  TokenBucket bytes_;
  TokenBucket extra_events_;
  TokenBucket extra_bytes_;
};

}  // namespace eventhub
