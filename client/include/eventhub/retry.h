// How the SDK tries again: exponential backoff with jitter, as a value.
#pragma once

#include "absl/time/time.h"

namespace eventhub::client {

// The delay before attempt n (from 1) lies between half of and the whole of
// min(max_delay, initial_delay * multiplier^(n-1)), at random, so that clients do not come back in
// step. A delay that the hub asks for is kept where it is longer.
struct RetryOptions {
  // Before the first retry; more than 0.
  absl::Duration initial_delay = absl::Milliseconds(20);
  // The longest delay; at least `initial_delay`.
  absl::Duration max_delay = absl::Seconds(1);
  // At least 1.
  double multiplier = 2.0;
};

}  // namespace eventhub::client
