// Time, injected: nothing outside this file asks the system for it.
#pragma once

#include "absl/time/time.h"

namespace eventhub {

// The wall clock. Thread-safe. Tests have one that stands still (tests/support/fake_clock.h).
class Clock {
 public:
  virtual ~Clock() = default;

  // The time of day; may jump when the system's clock is set.
  virtual absl::Time Now() const = 0;

  // Time since some fixed moment; never runs backwards.
  virtual absl::Duration Monotonic() const = 0;

  // The time by which old things may be deleted: Now(), or the infinite past while there is a doubt
  // whether that is right.
  virtual absl::Time DeletionTime() const { return Now(); }

  // The system's clock; lives for ever.
  static const Clock& System();
};

}  // namespace eventhub
