#include "client/src/base/timer_thread.h"

#include <algorithm>
#include <utility>

#include "storage/base/clock.h"

namespace eventhub::client {

TimerThread::~TimerThread() {
  decltype(State::due) dropped;  // Destroyed without the lock: it may own anything.
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
    dropped.swap(state_->due);
  }
  state_->changed.NotifyAll();
  if (!thread_.joinable()) return;
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void TimerThread::RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work) {
  const absl::Duration when = Clock::System().Monotonic() + delay;
  MutexLock lock(state_->mutex);
  if (!state_->started) {
    state_->started = true;
    thread_ = std::thread([state = state_] { state->Run(); });
  }
  const bool first = state_->due.empty() || when < state_->due.begin()->first;
  state_->due.emplace(when, std::move(work));
  if (first) state_->changed.NotifyAll();
}

void TimerThread::State::Run() {
  for (;;) {
    absl::AnyInvocable<void() &&> work;
    {
      MutexLock lock(mutex);
      while (!stopping) {
        const absl::Duration wait =
            due.empty() ? absl::Hours(1) : due.begin()->first - Clock::System().Monotonic();
        if (wait <= absl::ZeroDuration()) break;
        changed.WaitFor(mutex, std::min(wait, absl::Hours(1)));
      }
      if (stopping) return;
      work = std::move(due.begin()->second);
      due.erase(due.begin());
    }
    std::move(work)();
  }
}

}  // namespace eventhub::client
