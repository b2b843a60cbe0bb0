// What one commit writes: gathered from many requests, written at once.
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

// Something that writes its state once per commit, however many of the commit's tasks changed it,
// and that may have state which others see only with the commit. In one commit at a time, that is:
// used by the tasks of one LogWriter.
class CommitHook {
 public:
  virtual ~CommitHook() = default;

  // Adds to the commit what its tasks left to be written. On the commit thread.
  virtual void BeforeWrite(CommitBuilder& commit) = 0;

  // The commit is about to be visible: what is to be seen with it is staged (VisibleNumber). On the
  // thread that makes commits visible, with the restrictions of OnVisible.
  virtual void Stage(int64_t /*number*/) {}

  // The commit is visible: what it changed here may be seen from now on. Commits are visible in
  // their order; one that failed never is, nor is any after it. On the thread that makes commits
  // visible, before the tasks are done, without a lock held; must not block.
  virtual void OnVisible() {}

 private:
  friend class CommitBuilder;
  bool added_ = false;  // To the commit under way.
};

// Filled on the commit thread by the tasks of one group, then written, then made visible. Appends
// to the same partition are coalesced into one batch, whatever requests they came with.
class CommitBuilder {
 public:
  // A batch takes no more events once it has this many bytes; a single larger event makes a batch
  // of its own.
  static constexpr size_t kMaxBatchBytes = size_t{256} << 10;

  // `expected_bytes` of events are to come, or about as many.
  CommitBuilder(const LogStore& store, absl::Time now, size_t expected_bytes);
  ~CommitBuilder();

  CommitBuilder(const CommitBuilder&) = delete;
  CommitBuilder& operator=(const CommitBuilder&) = delete;

  absl::Time now() const { return now_; }
  const LogStore& store() const { return store_; }

  // Its place among the commits: see VisibleCommits.
  int64_t number() const { return number_; }

  // Appends `count` whole encoded events, at least one, none of another type than `types`, and
  // returns the offset of the first. They become visible, and the partition object must live, until
  // the group is done.
  Offset Append(PartitionLog& log, SharedBytes events, uint32_t count,
                const TypeSummary& types = TypeSummary::Any());

  // Gives offsets to `count` events of a partition that keeps none, and returns the first. Its log
  // starts behind them from then on.
  Offset AppendUnkept(PartitionLog& log, size_t bytes, uint32_t count);

  void Put(Column column, absl::string_view key, absl::string_view value);
  void Delete(Column column, absl::string_view key);
  // Deletes every key with this prefix, which must have a byte other than 0xff. Costs every later
  // read of the column a little, until it is compacted: not for what happens often and concerns few
  // keys.
  void DeletePrefix(Column column, absl::string_view prefix);

  // Cuts off what lies before `start`, what this commit has appended so far included; a batch
  // boundary not before the log's start. `batches`, if there are any, are the bases of all batches
  // that go: they are deleted one by one, which for a few is cheaper than a range for all later
  // reads.
  void Trim(PartitionLog& log, const LogPosition& start, absl::Span<const Offset> batches = {});

  // Deletes all that is stored of a topic, what this commit appends to it included. Its id must not
  // be used again.
  void DeleteTopic(TopicId topic);

  // Has `hook` called once, after the last task's Prepare and before the write. Adding it twice is
  // the same as once. A hook may add others.
  void AddHook(std::shared_ptr<CommitHook> hook);

  // Calls the hooks, which may be added to the next commit from then on. After the last task,
  // before empty() and Write.
  void RunHooks();

  // Whether there is anything to write.
  bool empty() const;

  // Writes everything. Once, after the last change.
  absl::Status Write(LogStore& store);

  // Makes everything visible, at once, then wakes who waits for it and tells the hooks. Once, after
  // Write and whatever sync was asked for.
  void MakeVisible(TailCache& cache);

 private:
  struct Appended {
    PartitionLog* log;
    std::shared_ptr<RecordBatch> batch;
  };

  void Open(PartitionLog& log);
  // What the log gets from here on is of the run that is under way.
  void BeginRun(PartitionLog& log);
  void PutBatches();
  void DeleteTopics();
  void DropHooks();

  const LogStore& store_;
  const absl::Time now_;
  const int64_t number_;
  std::vector<Appended> batches_;
  size_t put_ = 0;  // Of `batches_`, those that are in `write_`.
  std::vector<std::pair<PartitionLog*, LogPosition>> trims_;
  absl::flat_hash_map<PartitionLog*, LogPosition> unkept_;
  std::vector<TopicId> deleted_topics_;
  std::vector<std::shared_ptr<CommitHook>> hooks_;
  std::vector<std::shared_ptr<CommitHook>> called_hooks_;  // To be told when it is visible.
  std::unique_ptr<rocksdb::WriteBatch> write_;
};

}  // namespace eventhub
