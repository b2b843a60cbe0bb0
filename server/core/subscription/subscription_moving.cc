// Changes of a subscription, on the commit thread: settings, seek, replay, redrive, parking.
#include <algorithm>
#include <utility>

#include "server/core/subscription/dead_letter/parking.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_settings.h"
#include "storage/key_codec.h"

namespace eventhub {
void Subscription::Apply(CommitBuilder& commit, const v1::Subscription& settings) {
  SubscriptionRecord record = *pending_record_;
  if (!SameFilter(settings, pending_settings()))
    record.filter = FilterOf(settings, context_.filter_memory);
  *record.record.mutable_settings() = settings;
  SetPending(commit, std::move(record));
}

void Subscription::SetReplayRate(CommitBuilder& commit, const v1::RateLimit& limit) {
  SubscriptionRecord record = *pending_record_;
  *record.record.mutable_replay_rate_limit() = limit;
  SetPending(commit, std::move(record));
}

void Subscription::SetPending(CommitBuilder& commit, SubscriptionRecord record) {
  pending_record_ = std::make_shared<const SubscriptionRecord>(std::move(record));
  {
    MutexLock lock(mutex_);
    in_commit_.Of(commit.number()).record = pending_record_;
  }
  PutRecord(commit);
  commit.AddHook(shared_from_this());
}

void Subscription::TakeOver(SubscriptionRecordPtr record, Aftermath* after) {
  record_ = std::move(record);
  const int64_t now = Now();
  const int64_t deadline_before = rules_.ack_deadline;
  const uint32_t attempts_before = rules_.max_attempts;
  SetRules(now);
  if (rules_.ack_deadline != deadline_before) NoteAckDeadline();
  const bool lowered = attempts_before == 0 || rules_.max_attempts < attempts_before;
  size_t left = PartitionCursor::kMaxSwept;
  for (const auto& cursor : cursors_) {
    Effects effects;
    if (!rules_.queue && rules_.ack_deadline != deadline_before) {
      cursor->lease_due = now + rules_.ack_deadline;
      NoteDelivered(*cursor, after);
    }
    if (rules_.max_attempts != attempts_before) {
      cursor->ParkExhausted(rules_, lowered, "the limit of attempts was lowered", &effects, &left);
    }
    Conclude(*cursor, effects, after);
  }
  consumers_.WakeAll(&after->wake);
}

void Subscription::Touch(CommitBuilder& commit) {
  {
    MutexLock lock(mutex_);
    last_used_micros_ = absl::ToUnixMicros(context_.clock.Now());
  }
  PutRecord(commit);
}

void Subscription::PutRecord(CommitBuilder& commit) const {
  stored::Subscription record = pending_record_->record;
  {
    MutexLock lock(mutex_);
    record.set_last_used_micros(last_used_micros_);
  }
  commit.Put(Column::kMeta, SubscriptionKey(id_), record.SerializeAsString());
}

void Subscription::Seek(CommitBuilder& commit, const std::vector<Place>& places) {
  ++replay_ends_;
  Aftermath after(commit);
  {
    MutexLock lock(mutex_);
    AddCursors();
    for (const Place& place : places) {
      PartitionCursor& cursor = *cursors_[place.partition.value()];
      const ConsumerId owner = cursor.owner;
      NoteMove(cursor, commit.number());
      Effects effects(commit.number());
      cursor.Seek(rules_, place.next, &effects);
      for (const stored::SnapshotPartition& pending : place.pending) {
        for (int i = 0; i < pending.starts_size(); ++i) {
          // If the limit is lower now, one attempt remains.
          cursor.AddPending(rules_, Offset(pending.starts(i)), pending.counts(i),
                            rules_.BeforeLast(pending.attempts(i)),
                            i < pending.silent_size() && pending.silent(i));
        }
      }
      Hold(cursor, commit.number());
      NoteMoved(cursor, &after);
      cursor.DropTrimmed(&effects);
      Conclude(cursor, effects, &after);
      if (owner != ConsumerId()) Assign(cursor, owner, &after);
    }
    Rebalance(&after);
    consumers_.WakeAll(&after.wake);
  }
  CarryOutIn(commit, std::move(after));
}

void Subscription::ChangeRanges(CommitBuilder& commit, RangeWork& work, RangeChange change) {
  Aftermath after(commit);
  {
    MutexLock lock(mutex_);
    AddCursors();
    size_t left = PartitionCursor::kMaxSwept;
    for (; !work.done() && left > 0; ++work.range, work.from = Offset(0)) {
      const PartitionRange& range = work.ranges[work.range];
      PartitionCursor& cursor = *cursors_[range.partition.value()];
      const Offset from = std::max(work.from, range.start);
      const Offset to = cursor.pending().EndOf(left, from, range.end);
      left -= std::min(left, cursor.pending().CountIn(from, to, left) + 1);
      Effects effects(after.commit);
      work.events += change(cursor, from, to, &effects);
      Conclude(cursor, effects, &after);
      if (to < range.end) {
        work.from = to;
        break;
      }
    }
  }
  CarryOutIn(commit, std::move(after));
}

void Subscription::Replay(CommitBuilder& commit, RangeWork& work) {
  if (!work.begun.has_value()) work.begun = replay_ends_;
  if (*work.begun != replay_ends_) {
    work.range = work.ranges.size();
    return;
  }
  ChangeRanges(commit, work, [](PartitionCursor& cursor, Offset from, Offset to, Effects* effects) {
    return cursor.AddReplay(from, to, effects);
  });
}

void Subscription::CancelReplays(CommitBuilder& commit, RangeWork& work) {
  if (!work.begun.has_value()) work.begun = ++replay_ends_;
  ChangeRanges(commit, work, [](PartitionCursor& cursor, Offset from, Offset to, Effects* effects) {
    return cursor.CancelReplays(from, to, effects);
  });
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
  AddCursors();
  int64_t events = 0;
  for (const PartitionRange& range : ranges) {
    events += cursors_[range.partition.value()]->CountReplay(range.start, range.end);
  }
  return events;
}

bool Subscription::Redrive(CommitBuilder& commit, PartitionId partition, Offset event,
                           const DeadLetterPlace& place) {
  Aftermath after(commit);
  bool redriven = false;
  {
    MutexLock lock(mutex_);
    PartitionCursor& cursor = *cursors_[partition.value()];
    Effects effects(after.commit);
    redriven = cursor.AddRedriven(event, place, &effects);
    if (!redriven && event < cursor.log().start()) {
      cursor.DropTrimmed(&effects);  // A trimmed event is not delivered as a live one.
      redriven = cursor.AddRedriven(event, place, &effects);
    }
    Conclude(cursor, effects, &after);
  }
  CarryOutIn(commit, std::move(after));
  return redriven;
}

bool Subscription::IsToCome(PartitionId partition, Offset event) const {
  MutexLock lock(mutex_);
  return partition.value() < cursors_.size() && cursors_[partition.value()]->IsToCome(event);
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
      ++in_commit_.Of(commit.number()).dead_lettered;
      ++pending_dead_letters_;
    } else {
      cursor.LoseParked(event, &effects);
    }
    effects.more_to_deliver = true;  // A STREAM continues after its last attempt.
    Conclude(cursor, effects, &after);
  }
  CarryOutIn(commit, std::move(after));
}

void Subscription::NoteClosed(CommitBuilder& commit, int64_t dead_letters) {
  pending_dead_letters_ -= dead_letters;
  {
    MutexLock lock(mutex_);
    in_commit_.Of(commit.number()).closed += dead_letters;
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
    Conclude(cursor, effects, &after);
  }
  CarryOut(std::move(after));
}

stored::Snapshot Subscription::TakeSnapshot() const {
  stored::Snapshot snapshot;
  snapshot.set_version(1);
  snapshot.set_create_time_micros(absl::ToUnixMicros(context_.clock.Now()));
  int64_t lag = 0;
  MutexLock lock(mutex_);
  for (const auto& cursor : cursors_) {
    stored::SnapshotPartition& partition = *snapshot.add_partitions();
    partition.set_partition(cursor->id().value());
    partition.set_next_offset(cursor->next().value());
    for (const auto& [start, range] : cursor->pending().map()) {
      if (range.extra) continue;
      if (range.state == RangeState::kSettling) {
        lag -= range.count;  // Settled by this commit, or an earlier one.
        continue;
      }
      partition.add_starts(start);
      partition.add_counts(range.count);
      const bool out = range.state == RangeState::kLeased;
      partition.add_attempts(range.attempts - (out ? 1U : 0U));
      partition.add_silent(range.silent);
    }
    lag += cursor->LagUpTo(cursor->log().end());
  }
  snapshot.set_lag_events(static_cast<uint64_t>(lag));
  return snapshot;
}

}  // namespace eventhub
