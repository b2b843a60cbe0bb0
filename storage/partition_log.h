// The in-memory state of one partition: the bounds of its log, and the waiters for its growth.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "storage/base/types.h"
#include "storage/record_batch.h"
#include "storage/tail_cache.h"
#include "storage/visible_commits.h"
#include "storage/watermark.h"

namespace eventhub {

// Events that compaction removed, and their encoded size in bytes.
struct RemovedEvents {
  uint64_t events = 0;
  uint64_t bytes = 0;
};

// The state of a partition, as recovered from the store.
struct LogBounds {
  Offset start;              // The first retained offset.
  Offset end;                // The offset of the next event.
  uint64_t start_bytes = 0;  // Bytes of all batches before `start`.
  uint64_t end_bytes = 0;    // Bytes of all batches before `end`.
  int64_t last_append_micros = 0;
  RemovedEvents removed{};
};

// One partition. A batch passes through two states: appended, when the commit thread has assigned
// its offsets, and visible, when it is as durable as its requests asked for. Readers see only
// visible batches.
//
// Thread-safe, except where noted. An idle partition takes a few hundred bytes.
class PartitionLog {
 public:
  // `topic_mark` counts the visible commits of the whole topic. It, and `commits`, which must be
  // those of the store, must outlive this object.
  PartitionLog(TopicId topic, PartitionId id, const LogBounds& bounds, Watermark& topic_mark,
               const VisibleCommits& commits);

  PartitionLog(const PartitionLog&) = delete;
  PartitionLog& operator=(const PartitionLog&) = delete;

  TopicId topic() const { return topic_; }
  PartitionId id() const { return id_; }

  // The first retained offset, and the offset after the last visible event.
  Offset start() const { return Offset(start_.load(std::memory_order_acquire)); }
  Offset end() const { return Offset(end_.Get(commits_)); }

  // Offsets before this may be gone: start(), or more while a trim is in progress.
  Offset trimmed_to() const { return Offset(trimmed_to_.load(std::memory_order_acquire)); }

  // The events of [history_start(), history_end()) are also kept elsewhere, in the hub's lake,
  // except those that were deleted before: readers may ask for them whether or not the log still
  // has them. The start is Offset::Max() if there are none.
  Offset history_start() const { return Offset(history_start_.load(std::memory_order_acquire)); }
  Offset history_end() const { return Offset(history_end_.load(std::memory_order_acquire)); }
  // Whether retention may have removed the event from the log while the history still has it.
  bool InHistory(Offset offset) const {
    return offset >= history_start() && offset < history_end() && offset < trimmed_to();
  }
  // One thread at a time.
  void SetHistory(Offset start, Offset end) {
    history_end_.store(end.value(), std::memory_order_release);
    history_start_.store(start.value(), std::memory_order_release);
  }

  // The end and the number of bytes before it, as of one commit.
  LogPosition end_position() const;

  // The encoded size of the retained events.
  uint64_t bytes() const;
  // The events between start() and end() that compaction removed.
  uint64_t removed_events() const { return removed_events_.load(std::memory_order_relaxed); }
  // As in LogBounds.
  uint64_t start_bytes() const { return start_bytes_.load(std::memory_order_acquire); }
  uint64_t end_bytes() const { return static_cast<uint64_t>(end_bytes_.Get(commits_)); }
  // When the last visible event was appended; the Unix epoch if there was none.
  absl::Time last_append_time() const;

  // The first offset assigned since the log was opened, visible or not: events from it on belong to
  // the current run (run_history.h). Offset::Max() if nothing was appended.
  Offset run_start() const { return Offset(run_start_.load(std::memory_order_acquire)); }

  // Advances past an offset when the event there becomes visible, or soon after. For waiting; to
  // look at the end, use end().
  Watermark& end_mark() { return end_mark_; }
  Watermark& topic_mark() { return topic_mark_; }
  PartitionTail& tail() { return tail_; }

  // Commit thread only.

  // The offset of the next event; ahead of end() while commits are in progress.
  Offset next_offset() const { return next_; }
  bool run_begun() const { return run_start() != Offset::Max(); }
  // Called before the first append.
  void BeginRun() { run_start_.store(next_.value(), std::memory_order_release); }
  // Assigns offsets to `count` events of `batch` and returns the first.
  Offset Assign(RecordBatch& batch, uint32_t count, uint32_t bytes);
  // Initializes a new, empty batch.
  void Begin(RecordBatch& batch, absl::Time now);
  // The batch of the current commit that still accepts events.
  const std::shared_ptr<RecordBatch>& open_batch() const { return open_batch_; }
  // The position after the last event that has an offset.
  LogPosition next_position() const { return {next_, next_bytes_}; }
  // Where the log begins once all trims are written.
  const LogPosition& next_start() const { return next_start_; }
  // Called before a trim up to `start` is written; followed by SetStart.
  void BeginTrim(const LogPosition& start);
  // Assigns offsets to events that are not retained, in a log that retains none, and returns the
  // first; followed by AdvanceWithoutStorage.
  Offset AppendWithoutStorage(uint32_t count, uint64_t bytes);
  void set_open_batch(std::shared_ptr<RecordBatch> batch) { open_batch_ = std::move(batch); }

  // The thread that makes commits visible, only.

  // Stages the new end, with the data reported about it, to take effect when `commit` becomes
  // visible: the ends of all partitions of a commit are staged first, then VisibleCommits advances,
  // then MakeVisible is called for each batch. If a partition has several batches, only the last
  // must be staged: a batch that does not advance the staged end changes nothing.
  void Stage(const RecordBatch& last, int64_t commit);
  void Stage(const LogPosition& end, int64_t commit);
  // Wakes the waiters of this partition; not those of the topic.
  void MakeVisible(const RecordBatch& batch);
  // Advances the start after a trim is on disk; never moves it back.
  void SetStart(const LogPosition& start);
  void AddRemoved(const RemovedEvents& removed);
  // The same as SetStart for events that are not retained; the log then starts at `end`.
  void AdvanceWithoutStorage(const LogPosition& end);

 private:
  const TopicId topic_;
  const PartitionId id_;
  Watermark& topic_mark_;
  const VisibleCommits& commits_;

  std::atomic<int64_t> start_;
  std::atomic<int64_t> trimmed_to_;
  std::atomic<int64_t> run_start_{Offset::Max().value()};
  std::atomic<int64_t> history_start_{Offset::Max().value()};
  std::atomic<int64_t> history_end_{0};
  std::atomic<uint64_t> start_bytes_;
  std::atomic<uint64_t> removed_events_;
  std::atomic<uint64_t> removed_bytes_;
  VisibleNumber end_;
  VisibleNumber end_bytes_;
  VisibleNumber last_append_micros_;
  Watermark end_mark_;
  PartitionTail tail_;

  // Commit thread only.
  Offset next_;
  uint64_t next_bytes_;
  LogPosition next_start_;
  int64_t next_append_micros_;
  std::shared_ptr<RecordBatch> open_batch_;
};

}  // namespace eventhub
