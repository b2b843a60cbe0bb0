// Calls the hooks of a subscriber, and nothing else, outside its mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Calls of hooks that are noted under the subscriber's mutex and made after it is released.
// Thread-compatible. The hooks must outlive it.
class HookCalls {
 public:
  // Notes a call, if the hook is set.
  template <typename Hook, typename... Args>
  void Note(const Hook& hook, Args... args) {
    if (hook) calls_.emplace_back([&hook, args...] { hook(args...); });
  }

 private:
  friend class HookRunner;

  std::vector<absl::AnyInvocable<void() &&>> calls_;
};

// Runs hooks one at a time. Thread-safe. Its mutex is held while hooks run, and hooks may lock the
// subscriber's mutex: never call it with the subscriber's mutex held.
class HookRunner {
 public:
  // Makes the calls, unless Stop was called. Returns how many hooks threw an exception.
  uint64_t Run(HookCalls calls);

  // Waits for a hook that runs; none runs afterwards. Must not be called from a hook.
  void Stop();

 private:
  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub::client
