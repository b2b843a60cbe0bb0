#include "server/core/base/alarm.h"

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

void Alarm::Schedule(int64_t due, const std::weak_ptr<AlarmTarget>& target) {
  const std::shared_ptr<AlarmTarget> live = target.lock();
  if (live == nullptr) return;
  bool first;
  {
    MutexLock lock(mutex_);
    const auto [it, added] = entries_.try_emplace(live.get(), Entry{due, target});
    Entry& entry = it->second;
    if (!added) {
      // The address may have belonged to an object that has been destroyed.
      const bool same = !entry.target.expired();
      if (same && entry.due <= due) return;
      queue_.erase({entry.due, live.get()});
      entry = {due, target};
    }
    queue_.emplace(due, live.get());
    first = queue_.begin()->second == live.get();
  }
  if (first) changed_.NotifyOne();
}

std::vector<std::weak_ptr<AlarmTarget>> Alarm::TakeDue() {
  const int64_t now = absl::ToInt64Microseconds(clock_.Monotonic());
  std::vector<std::weak_ptr<AlarmTarget>> due;
  while (!queue_.empty() && queue_.begin()->first <= now) {
    const auto it = entries_.find(queue_.begin()->second);
    due.push_back(std::move(it->second.target));
    entries_.erase(it);
    queue_.erase(queue_.begin());
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
      } else if (const int64_t due = queue_.begin()->first; due > now) {
        changed_.WaitFor(mutex_, absl::Microseconds(due - now));
      }
      if (stopping_) return;
    }
    RunDue();
  }
}

}  // namespace eventhub
