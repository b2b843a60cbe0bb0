// Reads of the history for replays: events that retention has removed from the log.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "server/core/archive/history.h"
#include "storage/base/mutex.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Bounds what all subscriptions have of the history in memory: kMaxParts parts of about 1 MiB, from
// the read until their events are delivered, or in the dead-letter topic. Reads begin in the order
// of Add, on threads that wait for nothing but the lake. Thread-safe.
class HistoryReads {
 private:
  struct Leave {
    void operator()(HistoryReads* reads) const { reads->Finish(); }
  };

 public:
  static constexpr size_t kMaxParts = 8;
  static constexpr size_t kPartBytes = size_t{1} << 20;

  // The place of one part, until it is destroyed.
  using Place = std::unique_ptr<HistoryReads, Leave>;
  using Work = absl::AnyInvocable<void(History& history, Place place) &&>;

  HistoryReads() = default;
  HistoryReads(const HistoryReads&) = delete;
  HistoryReads& operator=(const HistoryReads&) = delete;

  // Begins the reads that wait. Called at most once; both are used until Stop returns, and by the
  // work that has begun.
  void Start(History& history, WorkPool& pool);

  // Calls `work` on the pool when there is a place. Never blocks. After Stop, drops it.
  void Add(Work work);

  // Begins no more reads, and drops those that wait.
  void Stop();

  // Null before Start, if the hub has no lake, and after Stop.
  History* history() const;
  WorkPool* pool() const;

 private:
  void Finish();
  void BeginNext();

  mutable Mutex mutex_;
  History* history_ ABSL_GUARDED_BY(mutex_) = nullptr;
  WorkPool* pool_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::deque<Work> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t parts_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub
