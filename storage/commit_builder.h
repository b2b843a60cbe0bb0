// The contents of one commit: gathered from many requests and written at once.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/types.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"
#include "storage/record_batch.h"

namespace eventhub {

class CommitBuilder;

// An object whose state is written at most once per commit, however many of the commit's tasks
// changed it, and may become visible together with the commit. A hook belongs to one commit at a
// time, so only the tasks of one LogWriter may use it.
class CommitHook {
 public:
  virtual ~CommitHook() = default;

  // Adds the state that the commit's tasks changed to the commit. Called on the commit thread.
  virtual void BeforeWrite(CommitBuilder& commit) = 0;

  // Called just before the commit becomes visible, to stage the state that becomes visible with it
  // (VisibleNumber). Same thread and restrictions as OnVisible.
  virtual void Stage(int64_t /*number*/) {}

  // Called when the commit has become visible; its changes to this state may be shown from now on.
  // Commits become visible in order; a failed one never does, nor does any later one. Runs on the
  // thread that makes commits visible, before the tasks are done, with no lock held; must not
  // block.
  virtual void OnVisible() {}

 private:
  friend class CommitBuilder;
  bool added_ = false;  // To the current commit.
};

// Filled by the tasks of one group on the commit thread, then written, then made visible. Appends
// to the same partition are coalesced into one batch, regardless of the requests they belong to.
class CommitBuilder {
 public:
  // A batch accepts no further events if they would make it larger than this, in bytes; a single
  // larger event forms its own batch.
  static constexpr size_t kMaxBatchBytes = size_t{256} << 10;

  // `expected_bytes`: the approximate size of the events to be appended.
  CommitBuilder(const LogStore& store, absl::Time now, size_t expected_bytes);
  ~CommitBuilder();

  CommitBuilder(const CommitBuilder&) = delete;
  CommitBuilder& operator=(const CommitBuilder&) = delete;

  absl::Time now() const { return now_; }
  const LogStore& store() const { return store_; }

  // The commit's position in the sequence of commits; see VisibleCommits.
  int64_t number() const { return number_; }

  // Appends `count` complete encoded events, at least one, and returns the offset of the first.
  // `types` must cover the types of all of them. The events become visible when the group is done;
  // the partition object must live until then.
  Offset Append(PartitionLog& log, SharedBytes events, uint32_t count,
                const TypeSummary& types = TypeSummary::Any());

  // Assigns offsets to `count` events of a partition that retains none, and returns the first. The
  // log then starts after them.
  Offset AppendWithoutStorage(PartitionLog& log, size_t bytes, uint32_t count);

  void Put(Column column, absl::string_view key, absl::string_view value);
  void Delete(Column column, absl::string_view key);
  // Deletes every key with this prefix, which must contain a byte other than 0xff. Slows down every
  // later read of the column a little, until it is compacted: not for frequent deletions of a few
  // keys.
  void DeletePrefix(Column column, absl::string_view prefix);

  // Trims the log up to `start`, including events appended by this commit so far. `start` must be a
  // batch boundary and must not precede the log's start. `batches`, unless empty, must list the
  // bases of all trimmed batches: they are then deleted one by one, which for a few batches costs
  // later reads less than a range delete.
  void Trim(PartitionLog& log, const LogPosition& start, absl::Span<const Offset> batches = {});

  // Compaction: replaces the stored batches with the bases `old` by `batches`, which cover the same
  // offsets and only remove events. The last batch of the visible log must not be among them, and
  // the log must not have been trimmed beyond their start. Readers see either state of a batch, and
  // the new one once the commit is visible.
  void Replace(PartitionLog& log, absl::Span<const Offset> old,
               absl::Span<const RecordBatch> batches, const RemovedEvents& removed);

  // Deletes all stored data of a topic, including what this commit appends to it. Its id must not
  // be reused.
  void DeleteTopic(TopicId topic);

  // Registers `hook` to be called once, after the last task's Prepare and before the write. Adding
  // a hook again has no effect. A hook may add others.
  void AddHook(std::shared_ptr<CommitHook> hook);

  // Calls the hooks; from then on they may be added to the next commit. Call after the last task,
  // before empty() and Write.
  void RunHooks();

  // Returns whether there is nothing to write.
  bool empty() const;

  // Writes everything. Call once, after the last change.
  absl::Status Write(LogStore& store);

  // Makes everything visible at once, then wakes waiting readers and calls the hooks. Call once,
  // after Write and the sync, if one was requested.
  void MakeVisible(TailCache& cache);

 private:
  struct Appended {
    PartitionLog* log;
    std::shared_ptr<RecordBatch> batch;
  };
  struct Replaced {
    PartitionLog* log;
    Offset end;  // Of the batches.
    RemovedEvents removed;
  };

  void Open(PartitionLog& log);
  // Records that the log's next events belong to the current run.
  void BeginRun(PartitionLog& log);
  void PutBatches();
  void DeleteTopics();
  void DropHooks();

  const LogStore& store_;
  const absl::Time now_;
  const int64_t number_;
  std::vector<Appended> batches_;
  size_t put_ = 0;  // The number of `batches_` that are in `write_`.
  std::vector<std::pair<PartitionLog*, LogPosition>> trims_;
  std::vector<Replaced> replaced_;
  absl::flat_hash_map<PartitionLog*, LogPosition> unkept_;
  std::vector<TopicId> deleted_topics_;
  std::vector<std::shared_ptr<CommitHook>> hooks_;
  std::vector<std::shared_ptr<CommitHook>> called_hooks_;  // For Stage and OnVisible.
  std::unique_ptr<rocksdb::WriteBatch> write_;
};

}  // namespace eventhub
