// Waiting for what ends with a callback. Not for threads that others wait for: the commit thread
// and gRPC's go on meanwhile.
#pragma once

#include <future>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace eventhub {

// Called once, with the outcome.
using StatusDone = absl::AnyInvocable<void(absl::Status) &&>;

// Starts something with a callback, and returns what that is called with, on any thread. The
// callback is called once.
template <typename Result = absl::Status, typename Start>
Result AwaitOutcome(Start&& start) {
  std::promise<Result> outcome;
  std::future<Result> future = outcome.get_future();
  // Owned by the callback: whoever calls it may still be in there when this returns.
  start([outcome = std::move(outcome)](Result result) mutable {
    outcome.set_value(std::move(result));
  });
  return future.get();
}

}  // namespace eventhub
