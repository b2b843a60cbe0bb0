// One thread that wakes subscriptions when a lease or a delay ends, instead of a timer for each.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// An object that the alarm wakes.
class AlarmTarget {
 public:
  // Called at or shortly before the scheduled time, on the alarm's thread, without locks held; must
  // not block for long.
  virtual void OnAlarm() = 0;

 protected:
  ~AlarmTarget() = default;
};

// Thread-safe.
class Alarm {
 public:
  // If `run` is false, nothing happens automatically: the owner of the clock calls RunDue.
  Alarm(const Clock& clock, bool run);
  ~Alarm();

  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Wakes the target at `due`, in microseconds of the monotonic clock, if it still exists then. A
  // target is woken once, at the earliest of the times scheduled so far; it then schedules the
  // others again.
  void Schedule(int64_t due, const std::weak_ptr<AlarmTarget>& target);

  // Wakes all targets that are due.
  void RunDue();

  // Returns when no target is being woken; none is woken afterwards.
  void Stop();

 private:
  struct Entry {
    int64_t due;
    std::weak_ptr<AlarmTarget> target;
  };

  void Run();
  std::vector<std::weak_ptr<AlarmTarget>> TakeDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const AlarmTarget*, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  // The same targets, earliest first.
  absl::btree_set<std::pair<int64_t, const AlarmTarget*>> queue_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it uses the members above.
};

}  // namespace eventhub
