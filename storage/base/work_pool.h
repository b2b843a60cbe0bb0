// A fixed number of threads that run what is posted to them: cold reads, and waking readers off the
// commit thread.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. Work is started in the order it was posted. The destructor runs what is still
// posted, then joins.
class WorkPool {
 public:
  explicit WorkPool(int threads);
  ~WorkPool();

  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Never blocks on the work itself. Work posted by work that runs during destruction is run too.
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
