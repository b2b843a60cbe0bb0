#include "server/core/publish/delayed_schedule.h"

#include <algorithm>

namespace eventhub {
namespace {

constexpr absl::Duration kLookAgain = absl::Seconds(1);

}  // namespace

void DelayedSchedule::Add(const std::shared_ptr<Topic>& topic, int64_t due, int64_t not_before) {
  {
    MutexLock lock(mutex_);
    const auto [it, is_new] = topics_.try_emplace(topic->id(), Topics{topic, due, not_before});
    Topics& entry = it->second;
    if (!is_new) {
      if (due >= entry.due && not_before <= entry.not_before) return;
      order_.erase({entry.wake(), topic->id()});
      entry.due = std::min(entry.due, due);
      entry.not_before = std::max(entry.not_before, not_before);
    }
    order_.emplace(entry.wake(), topic->id());
    if (order_.begin()->second != topic->id()) return;
  }
  changed_.NotifyOne();
}

std::optional<DelayedSchedule::Entry> DelayedSchedule::TakeDue() {
  const int64_t now = Now();
  MutexLock lock(mutex_);
  while (!order_.empty() && order_.begin()->first <= now) {
    const auto it = topics_.find(order_.begin()->second);
    Entry entry{it->second.topic.lock(), it->second.due};
    order_.erase(order_.begin());
    topics_.erase(it);
    if (entry.topic != nullptr && !entry.topic->deleted()) return entry;
  }
  return std::nullopt;
}

bool DelayedSchedule::Wait() {
  MutexLock lock(mutex_);
  while (!stopped_) {
    if (order_.empty()) {
      changed_.Wait(mutex_);
      continue;
    }
    const absl::Duration left = absl::Microseconds(order_.begin()->first - Now());
    if (left <= absl::ZeroDuration()) return true;
    changed_.WaitFor(mutex_, std::min(left, kLookAgain));
  }
  return false;
}

void DelayedSchedule::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.NotifyAll();
}

bool DelayedSchedule::stopped() const {
  MutexLock lock(mutex_);
  return stopped_;
}

}  // namespace eventhub
