// One thread that wakes subscriptions when a lease ends or a delay is over: no timer for each of
// them.
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

// Who is to be woken.
class AlarmTarget {
 public:
  // The time has come, or nearly. On the alarm's thread, without a lock held; must not block for
  // long.
  virtual void OnAlarm() = 0;

 protected:
  ~AlarmTarget() = default;
};

// Thread-safe.
class Alarm {
 public:
  // Without `run`, nothing happens by itself: whoever moves the clock calls RunDue.
  Alarm(const Clock& clock, bool run);
  ~Alarm();

  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Wakes the target at `due`, in microseconds of the monotonic clock, if it still lives then. A
  // target is woken once for all it asked for before, at the earliest of these times; it asks again
  // for the others.
  void Schedule(int64_t due, const std::weak_ptr<AlarmTarget>& target);

  // Wakes all whose time has come.
  void RunDue();

  // Nothing is woken any more, and nothing is being woken.
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
  // The same, the earliest first.
  absl::btree_set<std::pair<int64_t, const AlarmTarget*>> queue_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // Last: it uses what is above.
};

}  // namespace eventhub
