// Callers for tests that call the broker without the network.
#pragma once

#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "server/core/base/caller.h"
#include "storage/base/clock.h"

namespace eventhub {

// Waits until `cancelled` returns true, which is called whenever the hub asks.
inline Caller CallerUntil(std::function<bool()> cancelled) {
  return {"tester", "test:1", Clock::System(), absl::InfiniteDuration(),
          [cancelled = std::move(cancelled)] {
            return cancelled() ? absl::CancelledError("the test does not wait") : absl::OkStatus();
          }};
}

// Waits for each answer.
inline const Caller kTester = CallerUntil([] { return false; });

}  // namespace eventhub
