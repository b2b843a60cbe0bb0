// The only writer of the log: gathers the tasks of many threads, writes them together, and answers
// in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/mutex.h"
#include "storage/commit_builder.h"
#include "storage/commit_task.h"
#include "storage/fair_queue.h"
#include "storage/log_store.h"
#include "storage/tail_cache.h"
#include "storage/task_renewer.h"

namespace eventhub {

// Group commit. Tasks that arrive during a commit form the next ones; when more wait than fit into
// one, their flows take turns (FairQueue). Writing and syncing are
// pipelined: a second thread syncs while the first writes the next groups; a sync covers everything
// written before it begins. Tasks are done strictly in order, so a reader never sees an event that
// a power loss could remove before an older one whose sync was requested.
//
// A task that is outdated is set aside with the later ones of its flow, and other flows go on while
// it is renewed on another thread (TaskRenewer). The same holds for a task that would outdate it
// again meanwhile.
//
// After a failed write or sync every task fails with UNAVAILABLE until the store is reopened: the
// contents of the disk are unknown, and a retry could acknowledge events that the failure lost.
//
// Thread-safe.
class LogWriter {
 public:
  struct Counters {
    explicit Counters(Metrics& metrics)
        : commits(metrics.AddCounter("eventhub_commits_total", "Commits that were written.")),
          syncs(metrics.AddCounter("eventhub_syncs_total",
                                   "Syncs of the write-ahead log for commits.")) {}

    Counter& commits;
    Counter& syncs;
  };

  // `on_failure` is called once, on a thread of the writer, when the writer begins to refuse
  // writes.
  LogWriter(LogStore& store, TailCache& cache, const Clock& clock, Metrics& metrics,
            absl::AnyInvocable<void(const absl::Status&)> on_failure);

  // Completes all tasks, then stops.
  ~LogWriter();

  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Queues the task and returns immediately.
  void Submit(std::unique_ptr<CommitTask> task, CommitFlow flow = kHubFlow);

  // From now on, tasks that are outdated or blocked are refused, those that are set aside too. For
  // a hub that shuts down: renewing may take long.
  void StopRenewing();

  // Blocks until everything that the store contains at the time of the call is visible. For answers
  // read directly from the store, which has commits before they are visible. Returns UNAVAILABLE if
  // writes are refused, so that the fate of some of it is unknown, or if a write is waiting for
  // disk space. Must not be called on a thread of the writer.
  absl::Status AwaitVisible();

  // Returns why writes are refused, or OK if they are not.
  absl::Status failure() const;

  const Counters& counters() const { return counters_; }

 private:
  struct Member {
    std::unique_ptr<CommitTask> task;
    CommitFlow flow = kHubFlow;
  };

  // Tasks that are written together.
  struct Group {
    std::vector<Member> members;
    std::unique_ptr<CommitBuilder> commit;
    bool synced = false;  // Some task requested a sync.
    absl::Status status;
  };

  // The tasks of a group that are set aside, by flow.
  struct SetAside {
    // In the order in which they are renewed; nothing is outdated in those that are blocked.
    std::vector<OutdatedTasks> flows;
    absl::flat_hash_map<CommitFlow, size_t> index;
    std::vector<bool> sealed;  // By flow: what comes next is not renewed, see CommitTask::outdates.
  };

  void RunCommits();
  Group TakeGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteGroup(Group& group);
  // Prepares those that are ready, and removes the others from the group.
  void PrepareGroup(Group& group);
  // Returns whether the task is to be prepared. Otherwise it was refused, or moved away.
  bool Admit(Member& member, SetAside& aside);
  void HoldFlows(SetAside aside);
  void ResumeBlocked();
  // Passes a written group to the sync thread, or completes it if neither it nor an earlier group
  // needs a sync.
  void HandOver(Group group);

  void RunSyncs();
  void SyncGroups(std::vector<Group>& groups);

  void Finish(Group& group);
  // Makes the writer refuse all further writes; returns the status to refuse them with.
  absl::Status Fail(const absl::Status& cause);

  LogStore& store_;
  TailCache& cache_;
  const Clock& clock_;
  absl::AnyInvocable<void(const absl::Status&)> on_failure_;
  Counters counters_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> renewing_stopped_{false};
  TaskRenewer renewer_;
  // Flows that begin with a task that is blocked. Commit thread only.
  std::vector<OutdatedTasks> blocked_;

  mutable Mutex mutex_;
  CondVar submitted_;
  FairQueue queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);

  Mutex sync_mutex_;  // Never held together with mutex_.
  CondVar written_;
  std::vector<Group> unsynced_ ABSL_GUARDED_BY(sync_mutex_);
  bool syncing_ ABSL_GUARDED_BY(sync_mutex_) = false;
  bool sync_stopping_ ABSL_GUARDED_BY(sync_mutex_) = false;

  std::thread sync_thread_;  // Last: the threads use the members above.
  std::thread commit_thread_;
};

}  // namespace eventhub
