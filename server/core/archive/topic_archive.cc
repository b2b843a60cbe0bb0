#include "server/core/archive/topic_archive.h"

#include <algorithm>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "server/core/base/timestamps.h"
#include "storage/partition_log.h"

namespace eventhub {
namespace {

LogPosition PositionOf(const ArchiveRecords& records, PartitionId partition) {
  const size_t index = partition.value();
  return index < records.positions.size() ? records.positions[index].to : LogPosition();
}

}  // namespace

TopicArchive::TopicArchive(std::shared_ptr<Topic> topic, ArchiveRecords records)
    : topic_(std::move(topic)) {
  Apply(std::move(records));
}

ArchiveRecords TopicArchive::records() const {
  MutexLock lock(mutex_);
  return records_;
}

void TopicArchive::Apply(ArchiveRecords records) {
  // Events in objects that the manifest may lack are kept.
  std::vector<Offset> confirmed;
  for (const ArchivePosition& position : records.positions) confirmed.push_back(position.to.offset);
  for (const stored::ArchiveObject& object : records.archive.unlisted()) {
    for (const stored::ArchiveRange& range : object.ranges()) {
      if (range.partition() >= confirmed.size()) continue;
      Offset& to = confirmed[range.partition()];
      to = std::min(to, Offset(range.from()));
    }
  }
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (size_t i = 0; i < confirmed.size(); ++i) {
    // The history first: once the events are not held, a reader may find them only there.
    const Offset begin = records.positions[i].begin;
    if (confirmed[i] > begin && i < view->partitions.size()) {
      PartitionLog& log = *view->partitions[i];
      log.SetHistory(begin, std::max(confirmed[i], log.history_end()));
    }
    topic_->archive_hold().Advance(PartitionId(static_cast<uint32_t>(i)), confirmed[i]);
  }
  std::vector<StatusDone> reached;
  {
    MutexLock lock(mutex_);
    records_ = std::move(records);
    seen_mark_ = -1;
    for (auto it = flushes_.begin(); it != flushes_.end();) {
      if (!Reached(*it)) {
        ++it;
        continue;
      }
      reached.push_back(std::move(it->done));
      it = flushes_.erase(it);
    }
  }
  for (StatusDone& done : reached) std::move(done)(absl::OkStatus());
}

uint64_t TopicArchive::WaitingBytes() const {
  uint64_t bytes = 0;
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (const PartitionLog* log : view->partitions) {
    const LogPosition end = log->end_position();
    const LogPosition from = PositionOf(records_, log->id());
    // The log has lost events: an attempt to archive reports it.
    if (from.offset > end.offset) ++bytes;
    const uint64_t before = std::max(from.bytes_before, log->start_bytes());
    if (from.offset < end.offset && log->start() < end.offset && before < end.bytes_before) {
      bytes += end.bytes_before - before;
    }
  }
  return bytes;
}

bool TopicArchive::Due(const ArchiveSchedule& schedule, absl::Duration now) {
  if (topic_->deleted()) return false;
  MutexLock lock(mutex_);
  if (records_.archive.unlisted_size() > 0) return true;
  if (!topic_->archive_hold().active()) return false;
  const int64_t mark = topic_->mark().value();
  if (mark != seen_mark_) {
    seen_mark_ = mark;
    waiting_bytes_ = WaitingBytes();
    if (waiting_bytes_ == 0) waiting_since_.reset();
    if (waiting_bytes_ > 0 && !waiting_since_.has_value()) waiting_since_ = now;
  }
  if (records_.archive.has_intent()) return true;
  if (waiting_bytes_ == 0) return false;
  return more_ || !flushes_.empty() || waiting_bytes_ >= schedule.bytes ||
         now - *waiting_since_ >= schedule.interval;
}

void TopicArchive::NotePlanned(bool more, absl::Duration now) {
  MutexLock lock(mutex_);
  more_ = more;
  // While there is more, the oldest event has been waiting for longer.
  if (!more) waiting_since_ = now;
}

void TopicArchive::NoteOutcome(const absl::Status& status, absl::Time now) {
  MutexLock lock(mutex_);
  last_error_ = std::string(status.message());
  if (!status.ok()) last_error_time_ = now;
}

bool TopicArchive::Reached(const Flushing& flushing) const {
  for (size_t i = 0; i < flushing.ends.size(); ++i) {
    const PartitionId partition(static_cast<uint32_t>(i));
    if (topic_->archive_hold().ConfirmedTo(partition) < flushing.ends[i]) return false;
  }
  return true;
}

void TopicArchive::Flush(StatusDone done) {
  Flushing flushing{{}, std::move(done)};
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (const PartitionLog* log : view->partitions) {
    // An empty log needs nothing, wherever its position is.
    const Offset end = log->end();
    flushing.ends.push_back(log->start() < end ? end : Offset(0));
  }
  {
    MutexLock lock(mutex_);
    if (!Reached(flushing)) {
      flushes_.push_back(std::move(flushing));
      return;
    }
  }
  std::move(flushing.done)(absl::OkStatus());
}

bool TopicArchive::flushing() const {
  MutexLock lock(mutex_);
  return !flushes_.empty();
}

void TopicArchive::FailFlushes(const absl::Status& status) {
  std::vector<Flushing> failed;
  {
    MutexLock lock(mutex_);
    failed = std::exchange(flushes_, {});
  }
  for (Flushing& flushing : failed) std::move(flushing.done)(status);
}

v1::ArchiveStatus TopicArchive::Describe(absl::Duration now) const {
  v1::ArchiveStatus status;
  status.set_enabled(topic_->archive_hold().active());
  MutexLock lock(mutex_);
  const stored::Archive& archive = records_.archive;
  uint64_t events = 0;
  uint64_t bytes = 0;
  uint64_t missing = 0;
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (const PartitionLog* log : view->partitions) {
    const Offset start = log->start();  // Before the end, which only grows.
    const LogPosition from = PositionOf(records_, log->id());
    const LogPosition end = log->end_position();
    if (start > from.offset) missing += static_cast<uint64_t>(start - from.offset);
    const Offset first = std::max(start, from.offset);
    if (first >= end.offset) continue;
    events += static_cast<uint64_t>(end.offset - first);
    bytes += end.bytes_before -
             std::min(end.bytes_before, std::max(from.bytes_before, log->start_bytes()));
  }
  for (const ArchivePosition& position : records_.positions) missing += position.missing;
  for (const stored::ArchiveObject& object : archive.unlisted()) {
    events += object.events();
    for (const stored::ArchiveRange& range : object.ranges()) {
      bytes += range.to_bytes() - range.from_bytes();
    }
  }
  status.set_lag_events(events);
  status.set_lag_bytes(bytes);
  status.set_missing_events(missing);
  if (events > 0) {
    const absl::Duration lag = now - waiting_since_.value_or(now);
    *status.mutable_lag() =
        google::protobuf::util::TimeUtil::MillisecondsToDuration(absl::ToInt64Milliseconds(lag));
  }
  status.set_archived_events(archive.events());
  status.set_objects(archive.objects());
  status.set_last_error(last_error_);
  if (!last_error_.empty()) *status.mutable_last_error_time() = TimestampOf(last_error_time_);
  return status;
}

}  // namespace eventhub
