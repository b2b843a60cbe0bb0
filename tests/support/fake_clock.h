// A clock that stands still until a test moves it.
#pragma once

#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. The wall clock and the monotonic one move together, unless the wall clock jumps.
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

  // The wall clock is set ahead, or back; the monotonic one is not.
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
