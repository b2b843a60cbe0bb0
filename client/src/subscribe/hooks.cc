#include "client/src/subscribe/hooks.h"

#include <utility>

#include "client/src/base/guarded.h"

namespace eventhub::client {

uint64_t HookRunner::Run(HookCalls calls) {
  if (calls.calls_.empty()) return 0;
  MutexLock lock(mutex_);
  if (stopped_) return 0;
  uint64_t thrown = 0;
  for (auto& call : calls.calls_) thrown += Guarded("a hook", std::move(call)).ok() ? 0 : 1;
  return thrown;
}

void HookRunner::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
}

}  // namespace eventhub::client
