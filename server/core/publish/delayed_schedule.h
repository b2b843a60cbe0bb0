// When to look at the delayed events of each topic next: one entry per topic, none per event.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "server/core/topic/topic.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. Times are microseconds since the Unix epoch, by the wall clock, which may jump: a
// waiter checks it at least once a second.
class DelayedSchedule {
 public:
  explicit DelayedSchedule(const Clock& clock) : clock_(clock) {}

  struct Entry {
    std::shared_ptr<Topic> topic;
    int64_t due;  // No delayed event of the topic is due earlier.
  };

  // Records that the topic has an event due at `due`; the topic is not looked at before
  // `not_before`.
  void Add(const std::shared_ptr<Topic>& topic, int64_t due, int64_t not_before = 0);

  // Removes and returns the entry whose time came first; nullopt if no time has come.
  std::optional<Entry> TakeDue();

  // Waits until TakeDue may return an entry; false: stopped.
  bool Wait();
  void Stop();
  bool stopped() const;

 private:
  struct Topics {
    std::weak_ptr<Topic> topic;
    int64_t due;
    int64_t not_before;

    int64_t wake() const { return due > not_before ? due : not_before; }
  };

  int64_t Now() const { return absl::ToUnixMicros(clock_.Now()); }

  const Clock& clock_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<TopicId, Topics> topics_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<int64_t, TopicId>> order_ ABSL_GUARDED_BY(mutex_);  // By wake().
};

}  // namespace eventhub
