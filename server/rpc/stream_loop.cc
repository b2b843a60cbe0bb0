#include "server/rpc/stream_loop.h"

namespace eventhub {

void StreamLoop::Run(const std::shared_ptr<const void>& /*stream*/) {
  for (;;) {
    Action action;
    {
      MutexLock lock(mutex_);
      // The thread that proceeds checks again after each action, and sees all changes so far.
      if (proceeding_) return;
      action = NextAction();
      proceeding_ = action != Action::kNone;
    }
    if (action == Action::kNone) return;
    Take(action);
    MutexLock lock(mutex_);
    proceeding_ = false;
  }
}

}  // namespace eventhub
