// A wall clock that does not trust jumps. The hub's timestamps and age-based deletions use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Follows another clock while its time of day and its monotonic time agree. Corrections of up to a
// minute within an hour are followed at once. After a larger jump it continues on the monotonic
// time, and nothing may be deleted, until the clock is back, or has kept its new time for long
// enough (10 minutes for a jump of up to a day, as after a suspend; 24 hours for a larger one), or
// an operator confirms it.
//
// A process does not know how long it was not running. If it starts a day or more after the time
// that an earlier process noted, the clock is followed at once, but nothing may be deleted for 24
// hours. A start before the noted time is a jump back.
//
// Thread-safe; Now() takes no lock.
class TrustedClock final : public Clock {
 public:
  // `source` must outlive this.
  explicit TrustedClock(const Clock& source);

  absl::Time Now() const override;
  absl::Duration Monotonic() const override { return source_.Monotonic(); }
  // The infinite past while the time is in doubt, and before Resume().
  absl::Time DeletionTime() const override;

  // Continues after an earlier process that noted the time `noted`; nullopt if there was none. Call
  // once.
  void Resume(std::optional<absl::Time> noted);

  // Checks whether the clock has jumped, or has kept its time for long enough. Call about once a
  // second.
  void Look();

  // Accepts the source's time as correct.
  void Confirm();

  // Returns why nothing may be deleted (FAILED_PRECONDITION), or OK if the time is not in doubt.
  absl::Status doubt() const;

 private:
  struct Suspicion {
    int64_t offset;        // The source's offset when it jumped, or jumped again.
    absl::Duration since;  // Monotonic.
  };

  // The time of day minus the monotonic time, in microseconds.
  int64_t Offset() const;
  bool Agrees(int64_t offset) const;
  void Accept(int64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& source_;
  // Offsets: the one that the source is compared with, and the one that Now() continues on.
  std::atomic<int64_t> reference_;
  std::atomic<int64_t> followed_;
  std::atomic<bool> paused_{true};  // Until Resume(), and after a late start.

  mutable Mutex mutex_;
  absl::Duration reference_set_ ABSL_GUARDED_BY(mutex_);  // Monotonic.
  std::optional<Suspicion> suspicion_ ABSL_GUARDED_BY(mutex_);
  // After a start long after the noted time: the offset as if no time had passed in between.
  std::optional<Suspicion> late_start_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
