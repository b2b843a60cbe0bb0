#include "server/core/subscription/cursor/partition_cursor.h"

#include <algorithm>

#include "server/core/base/stored_time.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kCursorVersion = 1;

}  // namespace

SharedText PartitionCursor::Reason(absl::string_view reason) {
  if (reason.empty()) return SharedText();
  if (last_reason_.view() != reason) last_reason_ = SharedText(reason);
  return last_reason_;
}

KeyOrder& PartitionCursor::keys() {
  if (keys_ == nullptr) keys_ = std::make_unique<KeyOrder>();
  return *keys_;
}

Offset PartitionCursor::AckedAsOf(int64_t commit) const {
  for (const auto& [start, range] : pending_.map()) {
    if (!range.extra && !range.SettledAsOf(commit)) return Offset(start);
  }
  return next_;
}

int64_t PartitionCursor::SettledBy(const CommitChange& change) const {
  if (change.kind != CommitChange::Kind::kSettles) return 0;
  int64_t events = 0;
  const Offset end = change.start + change.count;
  for (auto it = pending_.At(change.start); it != pending_.map().end() && it->first < end.value();
       ++it) {
    const PendingRange& range = it->second;
    const bool settles =
        range.state == RangeState::kSettling && range.stamp == static_cast<uint64_t>(change.commit);
    if (settles && !range.extra) events += range.count;
  }
  return events;
}

Offset PartitionCursor::needed() const {
  const Offset start = log_->start();
  const auto first = pending_.At(start);
  const Offset needed =
      first == pending_.map().end() ? next_ : std::max(Offset(first->first), start);
  return seek_ == nullptr ? needed : std::min(needed, seek_->first());
}

int64_t PartitionCursor::LagUpTo(Offset end) const {
  return pending_.counts().live + std::max<int64_t>(0, end - next_);
}

bool PartitionCursor::Exhausted(const DeliveryRules& rules) const {
  if (pending_.map().size() >= std::min(kMaxRanges, pending_.Allowance())) return true;
  return rules.ordered_by_key && keys_ != nullptr && keys_->waiting() >= kMaxWaiting;
}

bool PartitionCursor::AnyLiveReady() const {
  const auto none = pending_.map().end();
  return pending_.FirstReady(Flow::kLive) != none || pending_.FirstReady(Flow::kAlone) != none;
}

// ---- Moving

void PartitionCursor::BeginSeek(Offset next, std::vector<UnsettledRange> unsettled) {
  seek_ = std::make_unique<SeekProgress>(next, std::move(unsettled), log_->start());
  keys_.reset();
  all_known_ = false;
  suspects_end_ = Offset(0);
  trimmed_to_ = seek_->log_start();
}

bool PartitionCursor::SeekOn(const DeliveryRules& rules, size_t* left, Effects* effects) {
  if (!TakeNextBack(left, effects) || !ReplaceRanges(rules, left, effects)) return false;
  // No lease is left.
  std::erase_if(sweeps_, [](const Sweep& sweep) { return sweep.ends_leases(); });
  for (Sweep& sweep : sweeps_) sweep.at = Offset(0);
  dirty_ = true;
  seek_.reset();
  return true;
}

void PartitionCursor::Seek(const DeliveryRules& rules, Offset to, Effects* effects) {
  size_t all = SIZE_MAX;
  BeginSeek(to, {});
  SeekOn(rules, &all, effects);
}

// From the end backwards: stored ranges must lie before the stored position.
bool PartitionCursor::TakeNextBack(size_t* left, Effects* effects) {
  while (next_ > seek_->next()) {
    if (*left == 0) return false;
    const Offset from = pending_.StartOf(*left, seek_->next(), next_);
    std::vector<std::pair<Offset, uint32_t>> removed;
    pending_.EditRange(from, next_, [&](Offset start, PendingRange& range) {
      Release(range, effects);
      removed.emplace_back(start, range.count);
      return Verdict::kRemove;
    });
    Forget(removed, effects);
    *left -= std::min(*left, removed.size());
    next_ = from;
    dirty_ = true;
  }
  return true;
}

bool PartitionCursor::ReplaceRanges(const DeliveryRules& rules, size_t* left, Effects* effects) {
  std::vector<UnsettledRange> unsettled;
  while (seek_->done_to() < seek_->next()) {
    if (*left == 0) return false;
    const Offset from = seek_->done_to();
    const Offset to = pending_.EndOf(*left, from, seek_->EndOfPiece(*left));
    const bool trimmed = to <= seek_->log_start();
    const size_t cleared = ClearForSeek(rules, from, to, effects);
    if (next_ < to) {
      next_ = to;
      dirty_ = true;
    }
    unsettled.clear();
    seek_->EndPiece(to, &unsettled);
    for (const UnsettledRange& range : unsettled) AddUnsettled(rules, range, trimmed, effects);
    if (trimmed) RemoveTrimmed(from, to, effects);
    *left -= std::min(*left, cleared + unsettled.size());
  }
  return true;
}

size_t PartitionCursor::ClearForSeek(const DeliveryRules& rules, Offset from, Offset to,
                                     Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  const size_t seen = pending_.EditRange(from, to, [&](Offset start, PendingRange& range) {
    Release(range, effects);
    if (range.extra && range.state != RangeState::kSettling) {
      KeepExtra(rules, range, effects);
      return Verdict::kChanged;
    }
    removed.emplace_back(start, range.count);
    return Verdict::kRemove;
  });
  Forget(removed, effects);
  return seen;
}

void PartitionCursor::KeepExtra(const DeliveryRules& rules, PendingRange& range, Effects* effects) {
  if (range.state == RangeState::kLeased) {
    MakeReady(range);
    effects->more_to_deliver = true;
  } else if (range.state == RangeState::kBlocked ||
             (range.state == RangeState::kDelayed && rules.ordered_by_key)) {
    range.state = RangeState::kReady;  // Keys are unknown now: see ParkExhausted.
  }
}

void PartitionCursor::AddUnsettled(const DeliveryRules& rules, const UnsettledRange& added,
                                   bool trimmed, Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  pending_.EditRange(added.start, added.end, [&](Offset event, PendingRange& range) {
    const bool only_copy = range.redriven && event < log_->start();
    if (only_copy) return Verdict::kKeep;
    removed.emplace_back(event, range.count);
    return Verdict::kRemove;
  });
  Forget(removed, effects);
  PendingRange range;
  range.attempts = rules.BeforeLast(added.attempts);  // If the limit is lower now, one remains.
  range.delivered = true;
  range.silent = added.silent && !rules.ordered_by_key;  // See ParkExhausted.
  range.alone = range.silent && rules.IsLast(range.attempts + 1U);
  for (const auto& [from, to] : Gaps(added.start, added.end)) {
    if (trimmed) {
      effects->trimmed.emplace_back(from, to);
      CountLost(to - from, effects);
    } else {
      pending_.Add(from, to - from, range);
    }
  }
}

void PartitionCursor::CutTo(Offset end) {
  pending_.EditRange(end, next_, [](Offset, PendingRange&) { return Verdict::kRemove; });
  next_ = end;
  NoteTrimmable(end);
  dirty_ = true;
}

std::vector<std::pair<Offset, Offset>> PartitionCursor::Gaps(Offset from, Offset to) const {
  std::vector<std::pair<Offset, Offset>> gaps;
  Offset at = from;
  for (auto it = pending_.At(from); it != pending_.map().end() && it->first < to.value(); ++it) {
    if (it->second.state == RangeState::kSettling) continue;
    if (Offset(it->first) > at) gaps.emplace_back(at, Offset(it->first));
    at = std::max(at, Offset(it->first) + it->second.count);
  }
  if (at < to) gaps.emplace_back(at, to);
  return gaps;
}

int64_t PartitionCursor::CountReplay(Offset from, Offset to) const {
  int64_t events = 0;
  for (const auto& [start, end] : Gaps(from, std::min(to, next_))) events += end - start;
  return events;
}

int64_t PartitionCursor::AddReplay(Offset from, Offset to, Effects* effects) {
  int64_t events = 0;
  PendingRange range;
  range.extra = true;
  for (const auto& [start, end] : Gaps(from, std::min(to, next_))) {
    events += end - start;
    AddComing(start, end - start, range, effects);
  }
  return events;
}

// Replaces settling events, too. A key that such an event blocks stays blocked until the event is
// settled again.
void PartitionCursor::AddComing(Offset start, int64_t count, PendingRange range, Effects* effects) {
  range.state = RangeState::kComing;
  range.stamp = static_cast<uint64_t>(effects->commit);
  pending_.EditRange(start, start + count, [](Offset, PendingRange&) { return Verdict::kRemove; });
  NoteTrimmable(start);
  pending_.Add(start, count, range);
  effects->in_commit.push_back({start, count, CommitChange::Kind::kComes, effects->commit});
}

void PartitionCursor::Complete(const CommitChange& change, Effects* effects) {
  if (change.kind == CommitChange::Kind::kLoses) {
    effects->lost += change.count;
    effects->trimmed.emplace_back(change.start, change.start + change.count);
    lost_in_commit_ -= static_cast<uint64_t>(change.count);
    return;
  }
  const bool settles = change.kind == CommitChange::Kind::kSettles;
  const auto commit = static_cast<uint64_t>(change.commit);
  std::vector<std::pair<Offset, uint32_t>> removed;
  pending_.EditRange(change.start, change.start + change.count,
                     [&](Offset start, PendingRange& range) {
                       // A later commit may have changed it again.
                       if (range.stamp != commit) return Verdict::kKeep;
                       if (settles && range.state == RangeState::kSettling) {
                         removed.emplace_back(start, range.count);
                         return Verdict::kRemove;
                       }
                       if (!settles && range.state == RangeState::kComing) {
                         range.state = RangeState::kReady;
                         range.stamp = 0;
                         effects->more_to_deliver = true;
                       }
                       return Verdict::kKeep;  // Both states are stored alike.
                     });
  Forget(removed, effects);
}

int64_t PartitionCursor::CancelReplays(Offset from, Offset to, Effects* effects) {
  int64_t events = 0;
  pending_.EditRange(from, to, [&](Offset start, PendingRange& range) {
    if (!range.extra || range.redriven || range.out()) return Verdict::kKeep;
    events += range.count;
    Settle(start, range, effects);
    return Verdict::kChanged;
  });
  return events;
}

std::optional<Offset> PartitionCursor::FirstRedrivenFrom(
    TopicId topic, std::optional<PartitionId> partition) const {
  std::optional<Offset> first;
  if (redriven_ == nullptr) return first;
  for (const auto& [event, place] : *redriven_) {
    if (place.topic != topic || place.partition != partition.value_or(place.partition)) continue;
    if (!first.has_value() || place.offset < *first) first = place.offset;
  }
  return first;
}

bool PartitionCursor::IsToCome(Offset event) const {
  if (event < log_->start()) return false;
  if (event >= next_) return true;
  const auto it = pending_.At(event);
  return it != pending_.map().end() && Offset(it->first) <= event && !it->second.extra &&
         it->second.state != RangeState::kSettling;
}

void PartitionCursor::AddPlace(Offset event, const DeadLetterPlace& place) {
  if (redriven_ == nullptr) redriven_ = std::make_unique<RedrivenPlaces>();
  redriven_->insert_or_assign(event.value(), place);
}

bool PartitionCursor::AddRedriven(Offset event, const DeadLetterPlace& place, Effects* effects) {
  if (event >= next_) return false;
  bool pending = false;
  bool live = false;
  const auto redrive = [&](PendingRange& range) {
    range.extra = true;
    range.redriven = true;
    AddPlace(event, place);
  };
  pending_.EditRange(event, event + 1, [&](Offset, PendingRange& range) {
    if (range.state == RangeState::kSettling) return Verdict::kKeep;
    pending = true;
    live = !range.extra;
    if (live) return Verdict::kKeep;
    // Canceling its replay must not remove it.
    redrive(range);
    if (range.state == RangeState::kComing) {  // It then comes with this commit.
      range.stamp = static_cast<uint64_t>(effects->commit);
      effects->in_commit.push_back({event, 1, CommitChange::Kind::kComes, effects->commit});
    }
    return Verdict::kChanged;
  });
  if (pending) return !live;
  PendingRange range;
  redrive(range);
  AddComing(event, 1, range, effects);
  return true;
}

// ---- The store

void PartitionCursor::Flush(SubscriptionId subscription, int64_t wall_offset,
                            CommitBuilder& commit) {
  // Stored ranges must lie before the stored position.
  if (dirty_ || passed_) {
    stored::Cursor cursor;
    cursor.set_version(kCursorVersion);
    cursor.set_next_offset(next_.value());
    cursor.set_lost_events(lost_);
    commit.Put(Column::kCursors, CursorKey(subscription, id()), cursor.SerializeAsString());
    dirty_ = false;
    passed_ = false;
  }
  pending_.Flush(
      [&](Offset start, const PendingRange& range) {
        stored::Range record;
        record.set_version(kCursorVersion);
        record.set_count(range.count);
        // A delivery in flight has not failed; if the hub stops first, it never fails.
        const bool out = range.state == RangeState::kLeased;
        record.set_attempts(range.attempts - (out ? 1U : 0U));
        record.set_delivered(range.delivered);
        record.set_silent(range.silent);
        record.set_extra(range.extra);
        if (range.state == RangeState::kDelayed || range.waits_unknown()) {
          record.set_retry_time_micros(range.due + wall_offset);
        }
        record.set_reason(std::string(range.reason.view()));
        if (range.redriven) {
          const DeadLetterPlace& place = redriven_->at(start.value());
          stored::DeadLetterPlace& from = *record.mutable_redriven_from();
          from.set_topic_id(place.topic.value());
          from.set_partition(place.partition.value());
          from.set_offset(place.offset.value());
        }
        commit.Put(Column::kCursors, PendingKey(subscription, id(), start),
                   record.SerializeAsString());
      },
      [&](Offset start) {
        commit.Delete(Column::kCursors, PendingKey(subscription, id(), start));
      });
}

void PartitionCursor::Load(const stored::Cursor& cursor) {
  next_ = Offset(cursor.next_offset());
  lost_ = cursor.lost_events();
}

bool PartitionCursor::Load(Offset start, const stored::Range& record, int64_t wall_offset,
                           int64_t now) {
  Offset last(0);
  if (!pending_.map().empty()) {
    const auto& [first, range] = *pending_.map().rbegin();
    last = Offset(first) + range.count;
  }
  if (record.count() == 0 || start < last || start >= next_ || record.count() > next_ - start ||
      record.retry_time_micros() < 0 || !IsStoredTime(record.retry_time_micros()) ||
      (record.has_redriven_from() && record.count() != 1)) {
    return false;
  }
  PendingRange range;
  range.count = record.count();
  // Older hubs counted deliveries, not failures, and did not set `delivered`; the last delivery may
  // not have failed.
  const bool counts_deliveries = record.attempts() > 0 && !record.delivered();
  range.attempts =
      PendingRange::CountableAttempts(record.attempts() - (counts_deliveries ? 1U : 0U));
  range.delivered = record.delivered() || counts_deliveries;
  range.silent = record.silent();
  range.extra = record.extra();
  range.reason = Reason(record.reason());
  const int64_t retry_at = record.retry_time_micros() - wall_offset;
  if (record.retry_time_micros() != 0 && retry_at > now) range.due = retry_at;
  if (record.has_redriven_from()) {
    range.redriven = true;
    const stored::DeadLetterPlace& from = record.redriven_from();
    AddPlace(start,
             {TopicId(from.topic_id()), PartitionId(from.partition()), Offset(from.offset())});
  }
  pending_.Load(start, std::move(range));
  return true;
}

}  // namespace eventhub
