// A clock that advances only when a test advances it.
#pragma once

#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. The wall clock and the monotonic clock move together, except when the wall clock
// jumps.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : start_(start) {}

  absl::Time Now() const override {
    MutexLock lock(mutex_);
    return start_ + elapsed_ + set_ahead_;
  }
  absl::Duration Monotonic() const override {
    MutexLock lock(mutex_);
    return elapsed_;
  }

  void Advance(absl::Duration by) {
    MutexLock lock(mutex_);
    elapsed_ += by;
  }

  // Moves the wall clock forward or back, but not the monotonic clock.
  void Jump(absl::Duration by) {
    MutexLock lock(mutex_);
    set_ahead_ += by;
  }

 private:
  const absl::Time start_;
  mutable Mutex mutex_;
  absl::Duration elapsed_ ABSL_GUARDED_BY(mutex_);
  absl::Duration set_ahead_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
