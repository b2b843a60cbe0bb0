// A wall clock that does not believe a jump: what the hub's times and deletions go by.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Follows another clock as long as its time of day and its monotonic time agree. Corrections of up
// to a minute within an hour are followed at once. After a larger jump it goes on by the monotonic
// time, and nothing may be deleted, until the clock is back, or has kept its new time for long
// enough: 10 minutes for a jump of up to a day (a machine that slept), 24 hours for more; or until
// an operator confirms it.
//
// A process does not know how long it was not running. A start a day or more after the time that an
// earlier one noted is followed at once, but nothing may be deleted for 24 hours; a start before
// that time is a jump back.
//
// Thread-safe; Now() takes no lock.
class TrustedClock final : public Clock {
 public:
  // `source` outlives this.
  explicit TrustedClock(const Clock& source);

  absl::Time Now() const override;
  absl::Duration Monotonic() const override { return source_.Monotonic(); }
  // The infinite past while there is a doubt, and before Resume().
  absl::Time DeletionTime() const override;

  // Goes on after an earlier process, which noted this time last; nullopt if there was none. Once.
  void Resume(std::optional<absl::Time> noted);

  // Looks whether the clock has jumped, or has kept its time for long enough. To be called every
  // second or so.
  void Look();

  // Takes the time of the source for right.
  void Confirm();

  // Why nothing is deleted (FAILED_PRECONDITION); OK if nothing speaks against it.
  absl::Status doubt() const;

 private:
  struct Suspicion {
    int64_t offset;        // That the source has, or had when it jumped again.
    absl::Duration since;  // Monotonic.
  };

  // What the time of day is ahead of the monotonic time, in microseconds.
  int64_t Offset() const;
  bool Agrees(int64_t offset) const;
  void Accept(int64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& source_;
  // Offsets: the one that the source is measured by, and the one to go on by.
  std::atomic<int64_t> reference_;
  std::atomic<int64_t> followed_;
  std::atomic<bool> paused_{true};  // Since the start.

  mutable Mutex mutex_;
  absl::Duration reference_set_ ABSL_GUARDED_BY(mutex_);  // Monotonic.
  std::optional<Suspicion> suspicion_ ABSL_GUARDED_BY(mutex_);
  // Of a start long after the noted time: the offset then, had no time passed in between.
  std::optional<Suspicion> late_start_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
