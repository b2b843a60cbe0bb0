// The one place where the log grows: gathers what many threads want written, writes it together,
// answers in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"
#include "storage/tail_cache.h"

namespace eventhub {

// A request to change the log.
class CommitTask {
 public:
  virtual ~CommitTask() = default;

  // Adds the task's changes to the commit, or finds that the task must fail and adds nothing. On
  // the commit thread, one task at a time, in the order of submission: what it checks holds until
  // the commit.
  virtual void Prepare(CommitBuilder& commit) = 0;

  // The outcome of the commit. Tasks are done in the order of submission; an OK means that the
  // changes are visible and as durable as asked for. An error means that nothing was written, if
  // Prepare was not called, and that the outcome is unknown, if it was. Must not block.
  virtual void Done(const absl::Status& status) = 0;

  // Roughly what the task holds, in bytes.
  virtual size_t bytes() const = 0;

  // Whether the changes must survive a power loss before Done.
  virtual bool synced() const = 0;
};

// Group commit. Tasks that wait while a commit is under way form the next one. Writing and syncing
// are pipelined: a second thread syncs, while the first writes the next groups; what was written
// when a sync begins is covered by it. Tasks are done strictly in order, so that a reader is never
// shown an event that a power loss could take away before an older one that was to be synced.
//
// After a failed write or sync every task fails with UNAVAILABLE, until the store is opened anew:
// what is on disk is not known, and a second try could acknowledge what was lost by the first.
//
// Thread-safe.
class LogWriter {
 public:
  struct Counters {
    std::atomic<uint64_t> commits{0};
    std::atomic<uint64_t> syncs{0};
  };

  // `on_failure` is called once, from a thread of the writer, when writes begin to be refused.
  LogWriter(LogStore& store, TailCache& cache, const Clock& clock,
            absl::AnyInvocable<void(const absl::Status&)> on_failure);

  // Finishes all tasks, then stops.
  ~LogWriter();

  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Takes the task and returns at once.
  void Submit(std::unique_ptr<CommitTask> task);

  // Blocks until all that the store has at the call is visible: for answers that are read from the
  // store, which has commits before they are visible. UNAVAILABLE: nobody knows what becomes of a
  // part of it, for writes are refused; or not soon, for a write waits for space on the disk. Not
  // on a thread of the writer.
  absl::Status AwaitVisible();

  // Why writes are refused; OK while they are not.
  absl::Status failure() const;

  const Counters& counters() const { return counters_; }

 private:
  using Tasks = std::vector<std::unique_ptr<CommitTask>>;

  // Tasks that are written together.
  struct Group {
    Tasks tasks;
    std::unique_ptr<CommitBuilder> commit;
    bool synced = false;  // One of the tasks asks for it.
    absl::Status status;
  };

  void RunCommits();
  Group TakeGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteGroup(Group& group);
  // Passes a written group on to be synced, or finishes it if neither it nor an earlier one waits
  // for a sync.
  void HandOver(Group group);

  void RunSyncs();
  void SyncGroups(std::vector<Group>& groups);

  void Finish(Group& group);
  // Refuses writes from now on; returns why.
  absl::Status Fail(const absl::Status& cause);

  LogStore& store_;
  TailCache& cache_;
  const Clock& clock_;
  absl::AnyInvocable<void(const absl::Status&)> on_failure_;
  Counters counters_;
  std::atomic<bool> failed_{false};

  mutable Mutex mutex_;
  CondVar submitted_;
  Tasks queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);

  Mutex sync_mutex_;  // Never held together with mutex_.
  CondVar written_;
  std::vector<Group> unsynced_ ABSL_GUARDED_BY(sync_mutex_);
  bool syncing_ ABSL_GUARDED_BY(sync_mutex_) = false;
  bool sync_stopping_ ABSL_GUARDED_BY(sync_mutex_) = false;

  std::thread sync_thread_;  // Last: they use what is above.
  std::thread commit_thread_;
};

}  // namespace eventhub
