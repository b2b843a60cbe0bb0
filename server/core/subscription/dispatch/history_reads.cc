#include "server/core/subscription/dispatch/history_reads.h"

#include <utility>

namespace eventhub {

void HistoryReads::Start(History& history, WorkPool& pool) {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    history_ = &history;
    pool_ = &pool;
  }
  for (size_t i = 0; i < kMaxParts; ++i) BeginNext();
}

void HistoryReads::Add(Work work) {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    waiting_.push_back(std::move(work));
  }
  BeginNext();
}

void HistoryReads::Stop() {
  std::deque<Work> dropped;  // Destroyed without the lock.
  MutexLock lock(mutex_);
  stopped_ = true;
  history_ = nullptr;
  pool_ = nullptr;
  dropped.swap(waiting_);
}

History* HistoryReads::history() const {
  MutexLock lock(mutex_);
  return history_;
}

WorkPool* HistoryReads::pool() const {
  MutexLock lock(mutex_);
  return pool_;
}

void HistoryReads::Finish() {
  {
    MutexLock lock(mutex_);
    --parts_;
  }
  BeginNext();
}

void HistoryReads::BeginNext() {
  MutexLock lock(mutex_);
  if (pool_ == nullptr || waiting_.empty() || parts_ == kMaxParts) return;
  ++parts_;
  pool_->Post([this, history = history_, work = std::move(waiting_.front())]() mutable {
    std::move(work)(*history, Place(this));
  });
  waiting_.pop_front();
}

}  // namespace eventhub
