// A fixed number of threads that run what is posted to them: cold reads, and waking readers off the
// commit thread.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. Work is started in the order it was posted.
class WorkPool {
 public:
  explicit WorkPool(int threads);
  ~WorkPool() { Stop(); }

  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Runs what is still posted, by that work too, then joins. Nothing may be posted after it.
  void Stop();

  // Never blocks on the work itself.
  void Post(absl::AnyInvocable<void() &&> work);

 private:
  void Run();

  Mutex mutex_;
  CondVar posted_;
  std::deque<absl::AnyInvocable<void() &&>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // Last: its threads use what is above.
};

}  // namespace eventhub
