// Injected time: no other file reads the system's clocks.
#pragma once

#include "absl/time/time.h"

namespace eventhub {

// The wall clock and the monotonic clock. Thread-safe. Tests use one that stands still
// (tests/support/fake_clock.h).
class Clock {
 public:
  virtual ~Clock() = default;

  // Returns the time of day; may jump when the system's clock is set.
  virtual absl::Time Now() const = 0;

  // Returns the time since a fixed but unspecified moment; never runs backwards.
  virtual absl::Duration Monotonic() const = 0;

  // Returns the time that decides which data is old enough to delete: Now(), or the infinite past
  // while Now() is in doubt.
  virtual absl::Time DeletionTime() const { return Now(); }

  // The system's clock; never destroyed.
  static const Clock& System();
};

}  // namespace eventhub
