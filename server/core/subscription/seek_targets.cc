#include "server/core/subscription/seek_targets.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"
#include "server/core/topic/start_position.h"
#include "server/filter/filter.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// Adds a part of a snapshot to the position of its partition. Returns false if it is invalid.
bool AddPart(const stored::SnapshotPartition& part, SeekPlace& place) {
  const int ranges = part.starts_size();
  const int64_t next = part.next_offset();
  if (part.counts_size() != ranges || part.attempts_size() != ranges) return false;
  if (next < 0 || (place.snapshot && place.next != Offset(next))) return false;
  place.partition = PartitionId(part.partition());
  place.next = Offset(next);
  place.snapshot = true;
  for (int i = 0; i < ranges; ++i) {
    const int64_t start = part.starts(i);
    const int64_t count = part.counts(i);
    if (start < 0 || start >= next || count == 0 || count > next - start) return false;
    place.unsettled.push_back({Offset(start), Offset(start + count), part.attempts(i),
                               i < part.silent_size() && part.silent(i)});
  }
  return true;
}

// Brings the ranges into order. Returns false if the position is invalid.
bool Complete(SeekPlace& place, const PartitionLog& log) {
  std::vector<UnsettledRange>& ranges = place.unsettled;
  const auto by_start = [](const UnsettledRange& a, const UnsettledRange& b) {
    return a.start < b.start;
  };
  std::sort(ranges.begin(), ranges.end(), by_start);
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].start < ranges[i - 1].end) return false;
  }
  return place.next <= log.end();
}

// The current ends of the partitions: a call refers to the log at the time of the call.
std::vector<Offset> EndsOf(const TopicView& view) {
  std::vector<Offset> ends;
  ends.reserve(view.partitions.size());
  for (const PartitionLog* log : view.partitions) ends.push_back(log->end());
  return ends;
}

}  // namespace

SeekTargets::SeekTargets(v1::SeekSubscriptionRequest request,
                         std::shared_ptr<Subscription> subscription,
                         const SubscriptionContext& context)
    : request_(std::move(request)),
      subscription_(std::move(subscription)),
      store_(context.store),
      writer_(context.writer),
      view_(subscription_->topic()->view()),
      ends_(EndsOf(*view_)),
      places_(view_->partitions.size()) {}

absl::Status SeekTargets::Check() {
  if (request_.target_case() == v1::SeekSubscriptionRequest::kSnapshot) return TakeSnapshot();
  if (request_.target_case() != v1::SeekSubscriptionRequest::kStart && request_.offsets().empty()) {
    return InvalidField("target", "is required: a start, a snapshot, or offsets");
  }
  return absl::OkStatus();
}

absl::Status SeekTargets::Find(size_t step) {
  if (step < starts()) return FindStart(step);
  return FindExact(request_.offsets(static_cast<int>(step - starts())));
}

std::vector<SeekPlace> SeekTargets::Take() {
  std::vector<SeekPlace> list;
  for (std::optional<SeekPlace>& place : places_) {
    if (place.has_value()) list.push_back(*std::move(place));
  }
  return list;
}

size_t SeekTargets::starts() const {
  const bool start = request_.target_case() == v1::SeekSubscriptionRequest::kStart;
  return start ? places_.size() : 0;
}

absl::Status SeekTargets::TakeSnapshot() {
  const std::string& name = request_.snapshot();
  ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                   store_.Get(Column::kCursors, SnapshotKey(subscription_->id(), name)));
  // The snapshot may just have been created or deleted.
  RETURN_IF_ERROR(OutcomeOf({}, writer_.AwaitVisible()));
  if (!stored.has_value()) return SnapshotNotFound(subscription_->name(), name);
  const absl::Status damaged = absl::DataLossError(absl::StrCat("snapshot ", name, " is damaged"));
  stored::Snapshot snapshot;
  if (!snapshot.ParseFromString(*stored)) return damaged;
  for (const stored::SnapshotPartition& part : snapshot.partitions()) {
    if (part.partition() >= places_.size()) return damaged;
    std::optional<SeekPlace>& place = places_[part.partition()];
    if (!AddPart(part, place.has_value() ? *place : place.emplace())) return damaged;
  }
  for (std::optional<SeekPlace>& place : places_) {
    if (!place.has_value()) continue;
    if (!Complete(*place, *view_->partitions[place->partition.value()])) return damaged;
  }
  return absl::OkStatus();
}

absl::Status SeekTargets::FindStart(size_t partition) {
  const PartitionLog& log = *view_->partitions[partition];
  ASSIGN_OR_RETURN(const Offset offset,
                   ResolveStart(request_.start(), subscription_->topic()->name(), log, store_));
  // A named offset is used as given. Any other position is at most the end at the time of the call.
  const bool named = request_.start().has_offset();
  places_[partition] = {log.id(), named ? offset : std::min(offset, ends_[partition]), named};
  return absl::OkStatus();
}

absl::Status SeekTargets::FindExact(const v1::PartitionOffset& exact) {
  const std::string& topic = subscription_->topic()->name();
  if (exact.partition() >= places_.size()) {
    return PartitionNotFound(topic, exact.partition(), places_.size());
  }
  const PartitionLog& log = *view_->partitions[exact.partition()];
  RETURN_IF_ERROR(CheckPlace(exact, topic, log, store_));
  v1::StartPosition start;
  start.set_offset(exact.offset());
  ASSIGN_OR_RETURN(const Offset offset, ResolveStart(start, topic, log, store_));
  places_[exact.partition()] = {log.id(), offset, true};
  return absl::OkStatus();
}

ReplayTargets::ReplayTargets(v1::ReplaySubscriptionRequest request, std::shared_ptr<Topic> topic,
                             const LogStore& store, History* history)
    : request_(std::move(request)),
      topic_(std::move(topic)),
      store_(store),
      history_(history),
      view_(topic_->view()),
      ends_(EndsOf(*view_)) {}

absl::Status ReplayTargets::Check() {
  if (request_.start().position_case() == v1::StartPosition::POSITION_NOT_SET) {
    return InvalidField("start", "is required");
  }
  if (request_.has_filter()) {
    if (const auto filter = CompileFilter(request_.filter()); !filter.ok()) {
      return InvalidFilter(filter.status());
    }
  }
  partitions_.assign(request_.partitions().begin(), request_.partitions().end());
  if (partitions_.empty()) {
    for (const PartitionLog* log : view_->partitions) partitions_.push_back(log->id().value());
  }
  std::sort(partitions_.begin(), partitions_.end());
  for (size_t i = 0; i < partitions_.size(); ++i) {
    if (partitions_[i] >= view_->partitions.size()) {
      return PartitionNotFound(topic_->name(), partitions_[i], view_->partitions.size());
    }
    if (i > 0 && partitions_[i - 1] == partitions_[i]) {
      return InvalidField("partitions", absl::StrCat("names partition ", partitions_[i], " twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReplayTargets::Find(size_t i) {
  const PartitionLog& log = *view_->partitions[partitions_[i]];
  Unresolved found;
  found.range.partition = log.id();
  if (history_ != nullptr) {
    ASSIGN_OR_RETURN(found.start, FindHistoryStart(request_.start(), topic_->name(), log, store_));
  }
  if (found.start.unresolved == HistoryStart::Unresolved::kNothing) {
    ASSIGN_OR_RETURN(found.range.start,
                     ResolveStart(request_.start(), topic_->name(), log, store_));
  }
  RETURN_IF_ERROR(FindEnd(found));
  if (found.start.unresolved != HistoryStart::Unresolved::kNothing) {
    unresolved_.push_back(found);
  } else if (found.range.start < found.range.end) {
    ranges_.push_back(found.range);
  }
  return absl::OkStatus();
}

absl::Status ReplayTargets::FindEnd(Unresolved& found) const {
  const PartitionLog& log = *view_->partitions[found.range.partition.value()];
  found.range.end = ends_[found.range.partition.value()];
  if (request_.has_stop_offset()) {
    found.range.end = std::min(found.range.end, Offset(request_.stop_offset()));
  }
  if (!request_.has_stop_time()) return absl::OkStatus();
  // A range that begins in the log ends there.
  if (found.start.unresolved != HistoryStart::Unresolved::kNothing) {
    v1::StartPosition stop;
    *stop.mutable_timestamp() = request_.stop_time();
    ASSIGN_OR_RETURN(found.stop, FindHistoryStart(stop, topic_->name(), log, store_));
    if (found.stop.unresolved != HistoryStart::Unresolved::kNothing) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Offset stop, SeekTime(log, store_, ToTime(request_.stop_time())));
  found.range.end = std::min(found.range.end, stop);
  return absl::OkStatus();
}

absl::Status ReplayTargets::FindInHistory(size_t i) {
  Unresolved& found = unresolved_[i];
  const PartitionLog& log = *view_->partitions[found.range.partition.value()];
  const auto resolve = [&](const HistoryStart& start, const google::protobuf::Timestamp& time) {
    return ResolveInHistory(start, ToTime(time), *topic_, log, store_, *history_);
  };
  ASSIGN_OR_RETURN(found.range.start, resolve(found.start, request_.start().timestamp()));
  if (found.stop.unresolved != HistoryStart::Unresolved::kNothing) {
    ASSIGN_OR_RETURN(const Offset stop, resolve(found.stop, request_.stop_time()));
    found.range.end = std::min(found.range.end, stop);
  }
  if (found.range.start < found.range.end) ranges_.push_back(found.range);
  return absl::OkStatus();
}

PartitionRanges ReplayTargets::Take() {
  std::sort(ranges_.begin(), ranges_.end(), [](const PartitionRange& a, const PartitionRange& b) {
    return a.partition < b.partition;
  });
  return std::move(ranges_);
}

absl::Status ConfirmTargets(const Topic& topic, std::vector<SeekPlace>& places) {
  const std::shared_ptr<const TopicView> view = topic.view();
  for (SeekPlace& place : places) {
    if (place.snapshot) continue;
    const PartitionLog& log = *view->partitions[place.partition.value()];
    ASSIGN_OR_RETURN(place.next, ConfirmStart(place.next, place.named, topic.name(), log));
  }
  return absl::OkStatus();
}

absl::Status ConfirmTargets(const Topic& topic, bool named, RangeWork& work) {
  const std::shared_ptr<const TopicView> view = topic.view();
  for (size_t i = work.range; i < work.ranges.size(); ++i) {
    PartitionRange& range = work.ranges[i];
    const PartitionLog& log = *view->partitions[range.partition.value()];
    if (log.InHistory(range.start)) continue;
    ASSIGN_OR_RETURN(range.start, ConfirmStart(range.start, named, topic.name(), log));
    range.end = std::max(range.start, range.end);
  }
  return absl::OkStatus();
}

}  // namespace eventhub
