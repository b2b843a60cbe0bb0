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

  // How long to wait before the next attempt.
  absl::Duration Next();

  // Something worked: the next delay is the first again.
  void Reset() { delay_ = absl::ZeroDuration(); }

 private:
  const RetryOptions options_;
  absl::Duration delay_;  // The last one without jitter; zero before the first.
  absl::BitGen random_;
};

// INVALID_ARGUMENT, naming the option, if one is out of range.
absl::Status CheckRetryOptions(const RetryOptions& options);

}  // namespace eventhub::client
