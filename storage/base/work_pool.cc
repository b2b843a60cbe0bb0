#include "storage/base/work_pool.h"

#include <utility>

namespace eventhub {

WorkPool::WorkPool(int threads) {
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

void WorkPool::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  posted_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void WorkPool::Post(absl::AnyInvocable<void() &&> work) {
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
  }
  posted_.NotifyOne();
}

void WorkPool::Run() {
  for (;;) {
    absl::AnyInvocable<void() &&> work;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) posted_.Wait(mutex_);
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(work)();
  }
}

}  // namespace eventhub
