// The loop of a stream whose state is changed by several threads.
#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "storage/base/mutex.h"

namespace eventhub {

// gRPC's callbacks, the commit thread and pools change the state of a stream, with its mutex held,
// and then call Run: it takes the actions that the state permits, without the mutex.
class StreamLoop {
 protected:
  enum class Action { kNone, kRead, kSend, kFinish };

  ~StreamLoop() = default;

  // Takes all possible actions, one after another, on one thread at a time; if another thread takes
  // one already, leaves the rest to it. `stream` keeps the stream alive meanwhile.
  void Run(const std::shared_ptr<const void>& stream);

  // Decides on the next action, and marks it as begun.
  virtual Action NextAction() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // Takes the action, which is not kNone. Without the mutex.
  virtual void Take(Action action) = 0;

  Mutex mutex_;

 private:
  bool proceeding_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub
