// Computes again what is outdated in tasks for the commit thread, on other threads.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/base/mutex.h"
#include "storage/base/work_pool.h"
#include "storage/commit_task.h"

namespace eventhub {

// Consecutive tasks of one flow, beginning with one that is outdated.
struct OutdatedTasks {
  CommitFlow flow = kHubFlow;
  std::vector<std::unique_ptr<CommitTask>> tasks;
  std::vector<CommitTask*> outdated;  // Of `tasks`.
};

// Lanes take turns on two threads, each lane on one thread at a time, so a lane whose tasks take
// long to renew leaves the other thread to the rest. The threads start when they are first needed.
// Thread-safe.
class TaskRenewer {
 public:
  // `on_renewed` receives all tasks of a call of Add, on a thread of the renewer.
  explicit TaskRenewer(std::function<void(OutdatedTasks)> on_renewed)
      : on_renewed_(std::move(on_renewed)) {}

  TaskRenewer(const TaskRenewer&) = delete;
  TaskRenewer& operator=(const TaskRenewer&) = delete;

  // Renews `tasks`, in the lane of the first.
  void Add(OutdatedTasks tasks);

  // From now on tasks are returned as they are, including those that wait for their turn.
  void Stop();

 private:
  void RunTurn();

  const std::function<void(OutdatedTasks)> on_renewed_;
  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Has an entry while a lane has tasks or is being renewed.
  absl::flat_hash_map<uint64_t, std::deque<OutdatedTasks>> lanes_ ABSL_GUARDED_BY(mutex_);
  std::deque<uint64_t> turns_ ABSL_GUARDED_BY(mutex_);      // Lanes that wait for a thread.
  std::unique_ptr<WorkPool> pool_ ABSL_GUARDED_BY(mutex_);  // Last: it uses the members above.
};

}  // namespace eventhub
