#include "storage/partition_log.h"

#include <algorithm>

#include "storage/base/check.h"

namespace eventhub {

PartitionLog::PartitionLog(TopicId topic, PartitionId id, const LogBounds& bounds,
                           Watermark& topic_mark, const VisibleCommits& commits)
    : topic_(topic),
      id_(id),
      topic_mark_(topic_mark),
      commits_(commits),
      start_(bounds.start.value()),
      trimmed_to_(bounds.start.value()),
      start_bytes_(bounds.start_bytes),
      removed_events_(bounds.removed.events),
      removed_bytes_(bounds.removed.bytes),
      end_(bounds.end.value()),
      end_bytes_(static_cast<int64_t>(bounds.end_bytes)),
      last_append_micros_(bounds.last_append_micros),
      end_mark_(bounds.end.value()),
      next_(bounds.end),
      next_bytes_(bounds.end_bytes),
      next_start_{bounds.start, bounds.start_bytes},
      next_append_micros_(bounds.last_append_micros) {}

LogPosition PartitionLog::end_position() const {
  for (;;) {
    const LogPosition position{end(), end_bytes()};
    if (end() == position.offset) return position;  // No commit became visible in between.
  }
}

uint64_t PartitionLog::bytes() const {
  // Read before the end, which only grows.
  const uint64_t gone = start_bytes() + removed_bytes_.load(std::memory_order_relaxed);
  return end_bytes() - gone;
}

absl::Time PartitionLog::last_append_time() const {
  return absl::FromUnixMicros(last_append_micros_.Get(commits_));
}

void PartitionLog::Begin(RecordBatch& batch, absl::Time now) {
  // The system's clock may be set back, but append times are searched and must not decrease.
  next_append_micros_ = std::max(next_append_micros_, absl::ToUnixMicros(now));
  batch.base = next_;
  batch.header.append_micros = next_append_micros_;
  batch.header.bytes_before = next_bytes_;
}

Offset PartitionLog::Assign(RecordBatch& batch, uint32_t count, uint32_t bytes) {
  const Offset base = next_;
  EVENTHUB_CHECK(batch.end() == base, "offsets are dense within a batch");
  batch.header.count += count;
  batch.header.bytes += bytes;
  next_ = next_ + count;
  next_bytes_ += bytes;
  return base;
}

void PartitionLog::Stage(const RecordBatch& last, int64_t commit) {
  if (last.end().value() <= end_.staged()) return;
  last_append_micros_.Stage(last.header.append_micros, commit);
  Stage(LogPosition{last.end(), last.header.bytes_before + last.header.bytes}, commit);
}

void PartitionLog::Stage(const LogPosition& end, int64_t commit) {
  if (end.offset.value() <= end_.staged()) return;
  end_bytes_.Stage(static_cast<int64_t>(end.bytes_before), commit);
  end_.Stage(end.offset.value(), commit);
}

void PartitionLog::MakeVisible(const RecordBatch& batch) { end_mark_.Advance(batch.end().value()); }

void PartitionLog::BeginTrim(const LogPosition& start) {
  EVENTHUB_CHECK(next_start_.offset <= start.offset && start.offset <= next_,
                 "a log start moves forward, up to the end at most");
  next_start_ = start;
  trimmed_to_.store(start.offset.value(), std::memory_order_release);
}

Offset PartitionLog::AppendWithoutStorage(uint32_t count, uint64_t bytes) {
  const Offset base = next_;
  next_ = next_ + count;
  next_bytes_ += bytes;
  BeginTrim(next_position());
  return base;
}

void PartitionLog::SetStart(const LogPosition& start) {
  if (start.offset < this->start()) return;
  start_.store(start.offset.value(), std::memory_order_release);
  start_bytes_.store(start.bytes_before, std::memory_order_release);
}

void PartitionLog::AddRemoved(const RemovedEvents& removed) {
  removed_events_.fetch_add(removed.events, std::memory_order_relaxed);
  removed_bytes_.fetch_add(removed.bytes, std::memory_order_relaxed);
}

void PartitionLog::AdvanceWithoutStorage(const LogPosition& end) {
  if (end.offset.value() > end_mark_.value()) end_mark_.Advance(end.offset.value());
  SetStart(end);
}

}  // namespace eventhub
