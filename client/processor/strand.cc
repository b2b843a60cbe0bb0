#include "client/processor/strand.h"

#include <algorithm>

namespace eventhub::processor::internal {

Strand::Strand(const Clock& clock, std::function<void()> on_idle)
    : clock_(clock), on_idle_(std::move(on_idle)) {}

Strand::~Strand() { Stop(); }

void Strand::Start() {
  thread_ = std::thread([this] { ThreadMain(); });
}

void Strand::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void Strand::Post(Work work) {
  {
    MutexLock lock(mutex_);
    posted_.push_back(std::move(work));
    // The thread that is the strand looks for more work before it leaves.
    if (entered_ || posted_.size() > 1) return;
  }
  wake_.NotifyOne();
}

absl::Duration Strand::next_due() const {
  MutexLock lock(mutex_);
  return next_due_;
}

bool Strand::Enter() {
  MutexLock lock(mutex_);
  if (entered_) return false;
  entered_ = true;
  return true;
}

void Strand::Leave() {
  for (;;) {
    RunTimers();
    {
      MutexLock lock(mutex_);
      batch_.swap(posted_);
    }
    if (!batch_.empty()) {
      for (Work& work : batch_) std::move(work)();
      batch_.clear();
      continue;
    }
    on_idle_();
    const absl::Duration due = timers_.empty() ? absl::InfiniteDuration() : timers_.begin()->first;
    MutexLock lock(mutex_);
    if (!posted_.empty()) continue;
    next_due_ = due;
    entered_ = false;
    if (due < wakes_at_) wake_.NotifyOne();
    return;
  }
}

void Strand::RunTimers() {
  if (timers_.empty()) return;
  const absl::Duration now = clock_.Monotonic();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Work work = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    std::move(work)();
  }
}

void Strand::ThreadMain() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (entered_ || (posted_.empty() && clock_.Monotonic() < next_due_)) {
        if (stopping_ && !entered_) return;
        // The thread that is the strand checks timers itself, and wakes this one for the rest.
        wakes_at_ = entered_ ? absl::InfiniteDuration() : next_due_;
        if (wakes_at_ == absl::InfiniteDuration()) {
          wake_.Wait(mutex_);
        } else {
          wake_.WaitFor(mutex_, std::min(next_due_ - clock_.Monotonic(), absl::Hours(1)));
        }
      }
      wakes_at_ = absl::ZeroDuration();  // Awake.
      entered_ = true;
    }
    Leave();
  }
}

}  // namespace eventhub::processor::internal
