// A thread for work that blocks.
#pragma once

#include <deque>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Runs work in order on one thread, which starts with the first work. Thread-safe.
class Worker {
 public:
  using Work = absl::AnyInvocable<void() &&>;

  Worker() = default;
  // Runs the submitted work, and then ends the thread.
  ~Worker() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    change_.NotifyAll();
    if (thread_.joinable()) thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Run(Work work) {
    {
      MutexLock lock(mutex_);
      waiting_.push_back(std::move(work));
      if (!thread_.joinable()) thread_ = std::thread([this] { ThreadMain(); });
    }
    change_.NotifyOne();
  }

 private:
  void ThreadMain() {
    for (;;) {
      Work work;
      {
        MutexLock lock(mutex_);
        while (waiting_.empty() && !stopping_) change_.Wait(mutex_);
        if (waiting_.empty()) return;
        work = std::move(waiting_.front());
        waiting_.pop_front();
      }
      std::move(work)();
    }
  }

  Mutex mutex_;
  CondVar change_;
  std::deque<Work> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Set under the mutex. Joined by the destructor, when no other thread may call.
  std::thread thread_;
};

}  // namespace eventhub::processor::internal
