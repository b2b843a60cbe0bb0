#include "client/src/base/backoff.h"

#include <algorithm>
#include <optional>

#include "eventhub/error.h"

namespace eventhub::client {

absl::Duration Backoff::DelayAfter(const absl::Status& error) {
  const absl::Duration delay = Next();
  const std::optional<ErrorInfo> info = GetErrorInfo(error);
  return info && info->retry_delay ? std::max(delay, *info->retry_delay) : delay;
}

absl::Duration Backoff::Next() {
  delay_ = delay_ == absl::ZeroDuration()
               ? options_.initial_delay
               : std::min(delay_ * options_.multiplier, options_.max_delay);
  return delay_ * absl::Uniform(absl::IntervalClosed, random_, 0.5, 1.0);
}

absl::Status CheckRetryOptions(const RetryOptions& options) {
  if (options.initial_delay <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("retry.initial_delay must be more than 0");
  }
  if (options.max_delay < options.initial_delay) {
    return absl::InvalidArgumentError("retry.max_delay must be at least retry.initial_delay");
  }
  if (options.multiplier < 1.0) {
    return absl::InvalidArgumentError("retry.multiplier must be at least 1");
  }
  return absl::OkStatus();
}

}  // namespace eventhub::client
