// Counts the replies that are out, which an engine has to wait for at its end.
#pragma once

#include <cstddef>

#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Used on the strand only, except Await.
class OpenReplies {
 public:
  // One more (1), or one that was given (-1).
  void Count(int change) {
    count_ += static_cast<size_t>(change);
    MayBeDone();
  }
  // Nothing new begins. Returns how many are out.
  size_t Close() {
    closing_ = true;
    MayBeDone();
    return count_;
  }
  bool closing() const { return closing_; }

  // Waits until it is closed and none is out. On another thread.
  void Await() {
    MutexLock lock(mutex_);
    while (!done_) change_.Wait(mutex_);
  }

 private:
  void MayBeDone() {
    if (!closing_ || count_ > 0) return;
    MutexLock lock(mutex_);
    done_ = true;
    change_.NotifyAll();
  }

  size_t count_ = 0;
  bool closing_ = false;

  Mutex mutex_;
  CondVar change_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub::processor::internal
