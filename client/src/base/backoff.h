// The state of one sequence of retries.
#pragma once

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/retry.h"

namespace eventhub::client {

// Thread-compatible.
class Backoff {
 public:
  explicit Backoff(const RetryOptions& options) : options_(options) {}

  // The delay before the next attempt, after one that failed with `error`: the exponential delay,
  // or the delay that the hub asks for if that is longer.
  absl::Duration DelayAfter(const absl::Status& error);

  // An attempt succeeded: the next delay is the first again.
  void Reset() { delay_ = absl::ZeroDuration(); }

 private:
  absl::Duration Next();

  const RetryOptions options_;
  absl::Duration delay_;  // The last one without jitter; zero before the first.
  absl::BitGen random_;
};

// INVALID_ARGUMENT, naming the option, if one is out of range.
absl::Status CheckRetryOptions(const RetryOptions& options);

}  // namespace eventhub::client
