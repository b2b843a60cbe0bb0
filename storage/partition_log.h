// The in-memory side of one partition: where its log begins and ends, and who waits for it to grow.
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

// What recovery learns of a partition from the store.
struct LogBounds {
  Offset start;              // The first offset kept.
  Offset end;                // The offset of the next event.
  uint64_t start_bytes = 0;  // Bytes of all batches before `start`.
  uint64_t end_bytes = 0;    // Bytes of all batches before `end`.
  int64_t last_append_micros = 0;
};

// One partition. A batch goes through two states here: appended, when the commit thread has given
// it offsets, and visible, when it is as durable as its requests asked for. Readers see visible
// batches only.
//
// Thread-safe but for the members that say otherwise. An idle partition takes a few hundred bytes.
class PartitionLog {
 public:
  // `topic_mark` counts the visible commits of the whole topic; it and `commits`, those of the
  // store, outlive this object.
  PartitionLog(TopicId topic, PartitionId id, const LogBounds& bounds, Watermark& topic_mark,
               const VisibleCommits& commits);

  PartitionLog(const PartitionLog&) = delete;
  PartitionLog& operator=(const PartitionLog&) = delete;

  TopicId topic() const { return topic_; }
  PartitionId id() const { return id_; }

  // The first offset kept, and the offset after the last visible event.
  Offset start() const { return Offset(start_.load(std::memory_order_acquire)); }
  Offset end() const { return Offset(end_.Get(commits_)); }

  // Reads may find nothing before it: start(), or ahead of it while a trim is under way.
  Offset trimmed_to() const { return Offset(trimmed_to_.load(std::memory_order_acquire)); }

  // The end with the bytes before it, as one commit left them.
  LogPosition end_position() const;

  // The encoded size of the events kept.
  uint64_t bytes() const;
  // As in LogBounds.
  uint64_t start_bytes() const { return start_bytes_.load(std::memory_order_acquire); }
  uint64_t end_bytes() const { return static_cast<uint64_t>(end_bytes_.Get(commits_)); }
  // When the last visible event was appended; the Unix epoch if there never was one.
  absl::Time last_append_time() const;

  // The first offset that was, or is to be, given since the log was opened: what is not before it
  // is of the run under way (run_history.h). Offset::Max() while nothing was appended.
  Offset run_start() const { return Offset(run_start_.load(std::memory_order_acquire)); }

  // Passes an offset when that offset is visible, or soon after: what is waited for, not what is
  // looked at.
  Watermark& end_mark() { return end_mark_; }
  Watermark& topic_mark() { return topic_mark_; }
  PartitionTail& tail() { return tail_; }

  // Commit thread only.

  // The offset that the next event gets; ahead of end() while commits are under way.
  Offset next_offset() const { return next_; }
  bool run_begun() const { return run_start() != Offset::Max(); }
  // Before the first append.
  void BeginRun() { run_start_.store(next_.value(), std::memory_order_release); }
  // Gives offsets to the events of `batch` and returns the first.
  Offset Assign(RecordBatch& batch, uint32_t count, uint32_t bytes);
  // Fills in what a new, empty batch starts with.
  void Begin(RecordBatch& batch, absl::Time now);
  // The batch of the commit under way that still takes events.
  const std::shared_ptr<RecordBatch>& open_batch() const { return open_batch_; }
  // What is behind the last event that has an offset.
  LogPosition next_position() const { return {next_, next_bytes_}; }
  // Where the log begins once all trims are written.
  const LogPosition& next_start() const { return next_start_; }
  // Before a trim up to `start` is written; SetStart follows.
  void BeginTrim(const LogPosition& start);
  // Gives offsets to events that are not kept, of a log that keeps none, and returns the first;
  // MakeUnkeptVisible follows.
  Offset AppendUnkept(uint32_t count, uint64_t bytes);
  void set_open_batch(std::shared_ptr<RecordBatch> batch) { open_batch_ = std::move(batch); }

  // The thread that makes commits visible, only.

  // The end, with what is told of it, will be there as soon as `commit` is visible: that of all
  // partitions of a commit is staged first, then VisibleCommits moves, then each is made visible.
  // Of several batches of a partition, the last: what is not behind the staged end changes nothing.
  void Stage(const RecordBatch& last, int64_t commit);
  void Stage(const LogPosition& end, int64_t commit);
  // Wakes those who wait for this partition; not those who wait for the topic.
  void MakeVisible(const RecordBatch& batch);
  // Moves the start after a trim is on disk; never back.
  void SetStart(const LogPosition& start);
  // The same for events that are not kept, which the log starts behind.
  void MakeUnkeptVisible(const LogPosition& end);

 private:
  const TopicId topic_;
  const PartitionId id_;
  Watermark& topic_mark_;
  const VisibleCommits& commits_;

  std::atomic<int64_t> start_;
  std::atomic<int64_t> trimmed_to_;
  std::atomic<int64_t> run_start_{Offset::Max().value()};
  std::atomic<uint64_t> start_bytes_;
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
