// Changes of a subscription, on the commit thread: settings, seek, replay, redrive, parking.
#include <algorithm>
#include <utility>

#include "absl/base/macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/core/base/errors.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_settings.h"
#include "storage/base/status_macros.h"

namespace eventhub {
void Subscription::Apply(CommitBuilder& commit, const v1::Subscription& settings) {
  SubscriptionRecord record = *submitted_.record;
  if (!SameFilter(settings, submitted_.settings())) {
    record.filter = FilterOf(settings, context_.filter_memory);
    record.replay_filter = ReplayFilterOf(record.record, record.filter, context_.filter_memory);
  }
  *record.record.mutable_settings() = settings;
  SetPending(commit, std::move(record));
}

void Subscription::SetReplayRate(CommitBuilder& commit, const v1::RateLimit& limit) {
  SubscriptionRecord record = *submitted_.record;
  *record.record.mutable_replay_rate_limit() = limit;
  SetPending(commit, std::move(record));
}

absl::Status Subscription::CheckReplayFilter(const v1::ReplaySubscriptionRequest& request) const {
  const stored::Subscription& record = submitted_.record->record;
  if (record.has_replay_filter() == request.has_filter() &&
      google::protobuf::util::MessageDifferencer::Equals(record.replay_filter(),
                                                         request.filter())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckFilterMemory(request.filter(), context_.filter_memory));
  MutexLock lock(mutex_);
  for (const auto& cursor : cursors_) {
    if (cursor->has_replays()) return ReplayInProgress(name_);
  }
  return absl::OkStatus();
}

void Subscription::SetReplayTerms(CommitBuilder& commit,
                                  const v1::ReplaySubscriptionRequest& request) {
  SubscriptionRecord record = *submitted_.record;
  *record.record.mutable_replay_rate_limit() = request.rate_limit();
  record.record.clear_replay_filter();
  if (request.has_filter()) *record.record.mutable_replay_filter() = request.filter();
  record.replay_filter = ReplayFilterOf(record.record, record.filter, context_.filter_memory);
  SetPending(commit, std::move(record));
}

void Subscription::SetPending(CommitBuilder& commit, SubscriptionRecord record) {
  submitted_.record = std::make_shared<const SubscriptionRecord>(std::move(record));
  {
    MutexLock lock(mutex_);
    cursors_.InCommit(commit.number()).record = submitted_.record;
  }
  PutRecord(commit);
  commit.AddHook(shared_from_this());
}

void Subscription::Adopt(SubscriptionRecordPtr record, Aftermath* after) {
  const DeliveryRules before = rules_;
  record_ = std::move(record);
  rules_ = RulesOf(record_->record.settings());
  const int64_t now = Now();
  filler_.Follow(*record_, now);
  if (rules_.ack_deadline != before.ack_deadline) scheduler_->ChangeAckDeadline(now, after);
  const bool lowered = before.max_attempts == 0 || rules_.max_attempts < before.max_attempts;
  size_t left = PartitionCursor::kMaxSwept;
  for (const auto& cursor : cursors_) {
    Effects effects;
    if (rules_.max_attempts != before.max_attempts) {
      cursor->ParkExhausted(rules_, lowered, "the limit of attempts was lowered", &effects, &left);
    }
    scheduler_->Conclude(*cursor, effects, after);
  }
  consumers_.WakeAll(&after->wake);
}

absl::Status Subscription::CheckRoom(const std::vector<SeekPlace>& places) const {
  size_t more = 0;
  MutexLock lock(mutex_);
  for (const SeekPlace& place : places) {
    const size_t p = place.partition.value();
    const size_t now = p < cursors_.size() ? cursors_[p]->pending().map().size() : 0;
    if (place.unsettled.size() <= now) continue;
    more += (place.unsettled.size() - now) * PendingRanges::kRangeBytes;
    if (more > context_.pending_memory.left()) {
      return TooManyPendingRanges(name_, place.partition.value());
    }
  }
  return absl::OkStatus();
}

absl::Status Subscription::CheckRoom(PartitionId partition, size_t ranges) const {
  MutexLock lock(mutex_);
  const size_t p = partition.value();
  if (p >= cursors_.size() || !cursors_[p]->pending().full(ranges)) return absl::OkStatus();
  return TooManyPendingRanges(name_, partition.value());
}

void Subscription::Seek(CommitBuilder& commit, SeekWork& work) {
  if (!submitted_.TakesTurn(&work)) return;
  if (!work.begun()) ++submitted_.replay_ends;
  Aftermath after(commit);
  {
    MutexLock lock(mutex_);
    cursors_.Grow(*topic_->view());
    for (size_t left = PartitionCursor::kMaxSwept; !work.done() && left > 0; ++work.place) {
      --left;
      if (!SeekPartition(commit, work, &left, &after)) break;
    }
    if (work.done()) {
      submitted_.EndTurn();
      Rebalance(&after);
      consumers_.WakeAll(&after.wake);
    }
  }
  PerformIn(commit, std::move(after));
}

void Subscription::NoteMove(const PartitionCursor& cursor, const CommitBuilder& commit) {
  const auto name_of = [this](ConsumerId id)
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return consumers_.NameOf(id); };
  cursors_.NoteMove(cursor, commit.number(), name_of);
}

bool Subscription::SeekPartition(CommitBuilder& commit, SeekWork& work, size_t* left,
                                 Aftermath* after) {
  SeekPlace& place = work.places[work.place];
  PartitionCursor& cursor = *cursors_[place.partition.value()];
  if (!std::exchange(work.in_place, true)) {
    work.moves.push_back(DescribeMove(place));
    NoteMove(cursor, commit);
    cursors_.Hold(cursor, commit.number());
    scheduler_->EndLeases(cursor, after);
    cursor.BeginSeek(place.next, std::move(place.unsettled));
    filler_.NoteMoved(cursor);
  }
  Effects effects(commit.number());
  const bool done = cursor.ContinueSeek(rules_, left, &effects);
  if (done) cursor.DropTrimmed(&effects, left);  // The next delivery drops the rest.
  scheduler_->Conclude(cursor, effects, after);
  cursors_.SetEndOfMove(cursor, done ? commit.number() : CursorSet::kLaterCommit);
  if (done) work.in_place = false;
  return done;
}

absl::Status Subscription::ChangeRanges(CommitBuilder& commit, RangeWork& work, bool adds,
                                        RangeChange change) {
  Aftermath after(commit);
  absl::Status status;
  {
    MutexLock lock(mutex_);
    cursors_.Grow(*topic_->view());
    size_t left = PartitionCursor::kMaxSwept;
    for (; !work.done() && left > 0; ++work.range, work.from = Offset(0)) {
      const PartitionRange& range = work.ranges[work.range];
      PartitionCursor& cursor = *cursors_[range.partition.value()];
      const Offset from = std::max(work.from, range.start);
      const Offset to = cursor.pending().EndOf(left, from, range.end);
      const size_t ranges = cursor.pending().CountIn(from, to, left) + 1;
      if (adds && cursor.pending().full(ranges)) {
        status = TooManyPendingRanges(name_, range.partition.value());
        break;
      }
      left -= std::min(left, ranges);
      if (adds && cursor.SettlesLive(from, to)) NoteMove(cursor, commit);
      Effects effects(after.commit);
      work.events += change(cursor, from, to, &effects);
      scheduler_->Conclude(cursor, effects, &after);
      if (to < range.end) {
        work.from = to;
        break;
      }
    }
  }
  PerformIn(commit, std::move(after));
  return status;
}

absl::Status Subscription::Replay(CommitBuilder& commit, RangeWork& work) {
  if (!work.begun.has_value()) work.begun = submitted_.replay_ends;
  if (*work.begun != submitted_.replay_ends) {
    work.range = work.ranges.size();
    return absl::OkStatus();
  }
  return ChangeRanges(commit, work, /*adds=*/true,
                      [](PartitionCursor& cursor, Offset from, Offset to, Effects* effects) {
                        return cursor.AddReplay(from, to, effects);
                      });
}

void Subscription::CancelReplays(CommitBuilder& commit, RangeWork& work) {
  if (!work.begun.has_value()) work.begun = ++submitted_.replay_ends;
  const absl::Status done =
      ChangeRanges(commit, work, /*adds=*/false,
                   [](PartitionCursor& cursor, Offset from, Offset to, Effects* effects) {
                     return cursor.CancelReplays(from, to, effects);
                   });
  ABSL_ASSERT(done.ok());
}

void Subscription::LimitToDelivered(PartitionRanges& ranges) {
  MutexLock lock(mutex_);
  cursors_.Grow(*topic_->view());
  for (PartitionRange& range : ranges) {
    const Offset next = cursors_[range.partition.value()]->next();
    range.end = std::max(range.start, std::min(range.end, next));
  }
}

std::vector<v1::PartitionMove> Subscription::DescribeMoves(const std::vector<SeekPlace>& places) {
  std::vector<v1::PartitionMove> moves;
  moves.reserve(places.size());
  for (const SeekPlace& place : places) {
    MutexLock lock(mutex_);
    cursors_.Grow(*topic_->view());
    moves.push_back(DescribeMove(place));
  }
  return moves;
}

v1::PartitionMove Subscription::DescribeMove(const SeekPlace& place) const {
  const PartitionCursor& cursor = *cursors_[place.partition.value()];
  // Events that are trimmed, or about to be, cannot be sought to.
  const Offset start = cursor.log().trimmed_to();
  const Offset end = cursor.log().end();
  const Offset next = std::max(place.next, start);
  Offset to = next;
  int64_t lag = std::max<int64_t>(0, end - next);
  for (const UnsettledRange& range : place.unsettled) {
    const Offset from = std::max(range.start, start);
    if (from >= range.end) continue;
    lag += range.end - from;
    to = std::min(to, from);
  }
  const CursorState before = VisibleStateOf(cursor);
  v1::PartitionMove move;
  move.set_partition(place.partition.value());
  move.set_from_offset(before.acked.value());
  move.set_to_offset(to.value());
  move.set_lag_before(static_cast<uint64_t>(before.lag));
  move.set_lag_after(static_cast<uint64_t>(lag));
  return move;
}

PartitionRanges Subscription::Replays() const {
  PartitionRanges ranges;
  MutexLock lock(mutex_);
  for (const auto& cursor : cursors_) {
    if (cursor->pending().counts().extra == 0) continue;
    ranges.push_back({cursor->id(), Offset(0), cursor->next()});
  }
  return ranges;
}

int64_t Subscription::CountReplay(const PartitionRanges& ranges) {
  MutexLock lock(mutex_);
  cursors_.Grow(*topic_->view());
  int64_t events = 0;
  for (const PartitionRange& range : ranges) {
    events += cursors_[range.partition.value()]->CountReplay(range.start, range.end);
  }
  return events;
}

bool Subscription::Redrive(CommitBuilder& commit, PartitionId partition, Offset event,
                           const DeadLetterPlace& place, const PipelineList& pipelines) {
  Aftermath after(commit);
  bool redriven = false;
  {
    MutexLock lock(mutex_);
    PartitionCursor& cursor = *cursors_[partition.value()];
    if (cursor.SettlesLive(event, event + 1)) NoteMove(cursor, commit);
    Effects effects(after.commit);
    redriven = cursor.AddRedriven(event, place, &effects, pipelines);
    if (!redriven) {
      cursor.DropIfTrimmed(event, &effects);
      redriven = cursor.AddRedriven(event, place, &effects, pipelines);
    }
    scheduler_->Conclude(cursor, effects, &after);
  }
  PerformIn(commit, std::move(after));
  return redriven;
}

bool Subscription::WillBeDelivered(PartitionId partition, Offset event) const {
  MutexLock lock(mutex_);
  return partition.value() < cursors_.size() && cursors_[partition.value()]->WillBeDelivered(event);
}

bool Subscription::IsOutToOthers(PartitionId partition, Offset event,
                                 const PipelineList& pipelines) const {
  MutexLock lock(mutex_);
  return partition.value() < cursors_.size() &&
         cursors_[partition.value()]->IsOutToOthers(event, pipelines);
}

bool Subscription::IsUnsettledFor(PartitionId partition, Offset event,
                                  const std::string& pipeline) const {
  MutexLock lock(mutex_);
  return partition.value() < cursors_.size() &&
         cursors_[partition.value()]->IsUnsettledFor(event, pipeline);
}

std::optional<Offset> Subscription::FirstRedrivenFrom(TopicId topic,
                                                      std::optional<PartitionId> partition) const {
  std::optional<Offset> first;
  MutexLock lock(mutex_);
  for (const auto& cursor : cursors_) {
    const std::optional<Offset> of_cursor = cursor->FirstRedrivenFrom(topic, partition);
    if (of_cursor.has_value() && (!first.has_value() || *of_cursor < *first)) first = of_cursor;
  }
  return first;
}

bool Subscription::IsParking(PartitionId partition, Offset event) const {
  MutexLock lock(mutex_);
  const PendingRanges& pending = cursors_[partition.value()]->pending();
  const auto it = pending.At(event);
  return it != pending.map().end() && it->first <= event.value() &&
         it->second.state == RangeState::kParking;
}

void Subscription::FinishParking(CommitBuilder& commit, PartitionId partition, Offset event,
                                 bool dead_letter) {
  Aftermath after(commit);
  {
    MutexLock lock(mutex_);
    PartitionCursor& cursor = *cursors_[partition.value()];
    Effects effects(after.commit);
    if (dead_letter) {
      cursor.FinishParking(event, 1, &effects);
      ++cursors_.InCommit(commit.number()).dead_lettered;
    } else {
      cursor.LoseParked(event, &effects);
    }
    effects.more_to_deliver = true;  // A STREAM continues after its last attempt.
    scheduler_->Conclude(cursor, effects, &after);
    NoteParkingEnded(cursor, &after);
  }
  PerformIn(commit, std::move(after));
}

void Subscription::NoteLetters(CommitBuilder& commit, int64_t added) {
  {
    MutexLock lock(mutex_);
    cursors_.InCommit(commit.number()).letters_added += added;
  }
  commit.AddHook(shared_from_this());
}

void Subscription::AbandonParking(PartitionId partition, Offset event, absl::string_view why) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    PartitionCursor& cursor = *cursors_[partition.value()];
    cursor.AbandonParking(event, 1, Now() + rules_.max_backoff, why);
    Effects effects;
    scheduler_->Conclude(cursor, effects, &after);
    NoteParkingEnded(cursor, &after);
  }
  Perform(std::move(after));
}

void Subscription::NoteParkingEnded(PartitionCursor& cursor, Aftermath* after) {
  if (!cursor.waits_for_parking || cursor.pending().counts().parking > 0) return;
  if (const int64_t commit = cursors_.last_in_commit(); commit > 0) {
    cursors_.Hold(cursor, commit);  // The dead letters are in this commit, or in one before.
  } else if (!cursor.held()) {
    scheduler_->NoteHoldEnded(cursor, after);
  }
}

void Subscription::TakeSnapshot(SnapshotWork& work) {
  if (!submitted_.TakesTurn(&work)) return;
  MutexLock lock(mutex_);
  if (!work.begun()) BeginSnapshot(work);
  for (size_t left = PartitionCursor::kMaxSwept; !work.done() && left > 0; ++work.cursor) {
    --left;
    PartitionCursor& cursor = *cursors_[work.cursor];
    SnapshotCopy none(work.next[work.cursor]);
    SnapshotCopy& copy = cursor.copy() == nullptr ? none : *cursor.copy();
    const bool copied = cursor.copy() == nullptr || copy.Continue(cursor.pending(), &left);
    stored::Snapshot part;
    *part.add_partitions() = copy.Take(cursor.id());
    work.partitions += part.SerializeAsString();
    if (!copied) break;
    work.header.set_lag_events(work.header.lag_events() + static_cast<uint64_t>(copy.events()));
    cursor.EndCopy();
  }
  if (work.done()) submitted_.EndTurn();
}

void Subscription::BeginSnapshot(SnapshotWork& work) {
  work.header.set_version(1);
  work.header.set_create_time_micros(absl::ToUnixMicros(context_.clock.Now()));
  int64_t undelivered = 0;
  work.next.reserve(cursors_.size());
  for (const auto& cursor : cursors_) {
    work.next.push_back(cursor->next());
    undelivered += std::max<int64_t>(0, cursor->log().end() - cursor->next());
    if (!cursor->pending().map().empty()) cursor->BeginCopy();
  }
  work.header.set_lag_events(static_cast<uint64_t>(undelivered));
}

}  // namespace eventhub
