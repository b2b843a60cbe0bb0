#include "server/core/subscription/alarm.h"

#include <utility>

namespace eventhub {

Alarm::Alarm(const Clock& clock, bool run) : clock_(clock) {
  if (run) thread_ = std::thread([this] { Run(); });
}

Alarm::~Alarm() { Stop(); }

void Alarm::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  if (thread_.joinable()) thread_.join();
}

void Alarm::Schedule(int64_t due, std::weak_ptr<AlarmTarget> target) {
  bool first;
  {
    MutexLock lock(mutex_);
    first = queue_.empty() || due < queue_.top().due;
    queue_.push({due, std::move(target)});
  }
  if (first) changed_.NotifyOne();
}

std::vector<std::weak_ptr<AlarmTarget>> Alarm::TakeDue() {
  const int64_t now = absl::ToInt64Microseconds(clock_.Monotonic());
  std::vector<std::weak_ptr<AlarmTarget>> due;
  while (!queue_.empty() && queue_.top().due <= now) {
    due.push_back(queue_.top().target);
    queue_.pop();
  }
  return due;
}

void Alarm::RunDue() {
  std::vector<std::weak_ptr<AlarmTarget>> due;
  {
    MutexLock lock(mutex_);
    due = TakeDue();
  }
  for (const std::weak_ptr<AlarmTarget>& weak : due) {
    if (const std::shared_ptr<AlarmTarget> target = weak.lock()) target->OnAlarm();
  }
}

void Alarm::Run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      const int64_t now = absl::ToInt64Microseconds(clock_.Monotonic());
      if (queue_.empty()) {
        changed_.Wait(mutex_);
      } else if (queue_.top().due > now) {
        changed_.WaitFor(mutex_, absl::Microseconds(queue_.top().due - now));
      }
      if (stopping_) return;
    }
    RunDue();
  }
}

}  // namespace eventhub
