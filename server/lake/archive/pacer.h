// Bounds how fast a background job reads and writes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Shared by the threads of the job. Thread-safe.
class Pacer {
 public:
  // `bytes_per_second`: 0: without limit. A clock of tests moves by itself: it is looked at again
  // after `look_interval`. `clock` outlives this object.
  Pacer(const Clock& clock, uint64_t bytes_per_second, absl::Duration look_interval)
      : clock_(clock), bytes_per_second_(bytes_per_second), look_interval_(look_interval) {}

  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  // Waits until earlier bytes have taken their time; CANCELLED after Stop.
  absl::Status Take(uint64_t bytes) {
    MutexLock lock(mutex_);
    if (bytes_per_second_ > 0) {
      const absl::Duration start = std::max(free_at_, clock_.Monotonic());
      free_at_ = start +
                 absl::Seconds(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_));
      while (!stopped_ && clock_.Monotonic() < start) {
        stop_.WaitFor(
            mutex_, std::clamp(start - clock_.Monotonic(), absl::Milliseconds(1), look_interval_));
      }
    }
    return stopped_ ? absl::CancelledError("the hub is shutting down") : absl::OkStatus();
  }

  void Stop() {
    MutexLock lock(mutex_);
    stopped_ = true;
    stop_.NotifyAll();
  }

 private:
  const Clock& clock_;
  const uint64_t bytes_per_second_;
  const absl::Duration look_interval_;

  Mutex mutex_;
  CondVar stop_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration free_at_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();  // Monotonic.
};

}  // namespace eventhub
