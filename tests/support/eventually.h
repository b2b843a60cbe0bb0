// Waiting in tests: for a condition that another thread makes true, never for a fixed time.
#pragma once

#include <chrono>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace eventhub {

// Returns whether `condition` becomes true within `limit`. The limit is long because only a failing
// test uses it up:
//
//     ASSERT_TRUE(Eventually([&] { return log.end() == Offset(3); }));
inline bool Eventually(absl::FunctionRef<bool()> condition,
                       absl::Duration limit = absl::Seconds(30)) {
  const absl::Time deadline = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() > deadline) return condition();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace eventhub
