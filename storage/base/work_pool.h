// A fixed number of threads that run posted work: cold reads, and waking readers off the commit
// thread.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. Work starts in the order in which it was posted.
class WorkPool {
 public:
  explicit WorkPool(int threads);
  ~WorkPool() { Stop(); }

  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Runs all posted work, including work that it posts itself, then joins the threads. Nothing may
  // be posted afterwards.
  void Stop();

  // Never waits for the work to run.
  void Post(absl::AnyInvocable<void() &&> work);

 private:
  void Run();

  Mutex mutex_;
  CondVar posted_;
  std::deque<absl::AnyInvocable<void() &&>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // Last: the threads use the members above.
};

}  // namespace eventhub
