// Retry options: exponential backoff with jitter.
#pragma once

#include "absl/time/time.h"

namespace eventhub::client {

// The delay before retry n (from 1) is chosen at random between half of and all of min(max_delay,
// initial_delay * multiplier^(n-1)), so that clients do not retry in step. If the hub asks for a
// longer delay, that one is used.
struct RetryOptions {
  // The delay before the first retry; more than 0.
  absl::Duration initial_delay = absl::Milliseconds(20);
  // The maximum delay; at least `initial_delay`.
  absl::Duration max_delay = absl::Seconds(1);
  // The growth of the delay from retry to retry; at least 1.
  double multiplier = 2.0;
};

}  // namespace eventhub::client
