// A rate limit: tokens are added at a rate; the balance may become negative.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace eventhub {

// Times are microseconds of the monotonic clock. Not thread-safe.
class TokenBucket {
 public:
  // `per_second` 0: no limit. Up to a second's worth may be taken at once.
  void SetRate(uint64_t per_second, int64_t now) {
    Refill(now);
    if (rate_ == 0) tokens_ = static_cast<double>(per_second);
    rate_ = per_second;
    tokens_ = std::min(tokens_, static_cast<double>(rate_));
  }

  // How many tokens may be taken now.
  int64_t Available(int64_t now) {
    if (rate_ == 0) return std::numeric_limits<int64_t>::max();
    Refill(now);
    constexpr double kMost = 9e18;  // Fits an int64_t.
    return static_cast<int64_t>(std::min(tokens_, kMost));
  }

  // May take more than are available: the next caller then waits longer.
  void Take(int64_t amount) {
    if (rate_ != 0) tokens_ -= static_cast<double>(amount);
  }

  // When at least one token is available.
  int64_t AvailableAt(int64_t now) {
    if (Available(now) >= 1) return now;
    const double wait = std::ceil((1 - tokens_) * kSecond / static_cast<double>(rate_));
    return now + static_cast<int64_t>(wait) + 1;  // One more, for rounding.
  }

 private:
  static constexpr double kSecond = 1e6;

  void Refill(int64_t now) {
    // Threads may arrive in a different order than they read the clock.
    const double elapsed = static_cast<double>(std::max<int64_t>(0, now - filled_at_));
    filled_at_ = std::max(filled_at_, now);
    const double rate = static_cast<double>(rate_);
    tokens_ = std::min(rate, tokens_ + elapsed * rate / kSecond);
  }

  uint64_t rate_ = 0;
  double tokens_ = 0;
  int64_t filled_at_ = 0;
};

}  // namespace eventhub
