// When a broken connection is retried, and when it is given up: for readers and subscribers.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/base/backoff.h"
#include "eventhub/retry.h"

namespace eventhub::client {

// Thread-compatible.
class Reconnect {
 public:
  // `purpose` completes "no connection to ..." and "the hub has refused to ..." in errors.
  // Connecting is given up after failing for `deadline`.
  Reconnect(const RetryOptions& retry, absl::Duration deadline, std::string purpose)
      : backoff_(retry), deadline_(deadline), purpose_(std::move(purpose)) {}

  // The hub answered: the next failure is the first again.
  void OnConnected();

  // The connection broke, or could not be made, with `error` at `now`. Returns the delay before the
  // next attempt. If it is to be given up: `error` with its detail if that is an answer of the hub,
  // otherwise UNAVAILABLE.
  absl::StatusOr<absl::Duration> OnFailed(const absl::Status& error, absl::Duration now);

 private:
  absl::Status GivenUp(const absl::Status& error) const;

  Backoff backoff_;
  const absl::Duration deadline_;
  const std::string purpose_;
  std::optional<absl::Duration> failing_since_;
};

}  // namespace eventhub::client
