#include "server/core/subscription/cursor/event_ledger.h"

#include <algorithm>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/base/macros.h"
#include "server/core/subscription/cursor/cursor_records.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

PipelineList Union(const PipelineList& a, const PipelineList& b) {
  if (Redriven::Covers(a, b)) return a;
  if (Redriven::Covers(b, a)) return b;
  std::vector<std::string> all = *a;
  for (const std::string& pipeline : *b) {
    if (!absl::c_linear_search(all, pipeline)) all.push_back(pipeline);
  }
  return std::make_shared<const std::vector<std::string>>(std::move(all));
}

}  // namespace

bool Redriven::Covers(const PipelineList& those, const PipelineList& wanted) {
  if (those == nullptr || wanted == nullptr) return those == nullptr;
  return absl::c_all_of(*wanted, [&](const std::string& pipeline) {
    return absl::c_linear_search(*those, pipeline);
  });
}

Offset EventLedger::AckedAsOf(int64_t commit) const {
  for (const auto& [start, range] : pending_.map()) {
    if (!range.extra && !range.SettledAsOf(commit)) return Offset(start);
  }
  return next_;
}

int64_t EventLedger::SettledBy(const CommitChange& change) const {
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

Offset EventLedger::needed() const {
  const Offset start = log_->start();
  const auto first = pending_.At(start);
  return first == pending_.map().end() ? next_ : std::max(Offset(first->first), start);
}

std::vector<std::pair<Offset, Offset>> EventLedger::Gaps(Offset from, Offset to) const {
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

std::optional<Offset> EventLedger::FirstRedrivenFrom(TopicId topic,
                                                     std::optional<PartitionId> partition) const {
  std::optional<Offset> first;
  if (redriven_ == nullptr) return first;
  for (const auto& [event, redriven] : *redriven_) {
    const DeadLetterPlace& place = redriven.place;
    if (place.topic != topic || place.partition != partition.value_or(place.partition)) continue;
    if (!first.has_value() || place.offset < *first) first = place.offset;
  }
  return first;
}

bool EventLedger::has_replays() const {
  const size_t redriven = redriven_ == nullptr ? 0 : redriven_->size();
  return pending_.counts().extra > static_cast<int64_t>(redriven);
}

PipelineList EventLedger::PipelinesOf(Offset event) const {
  if (redriven_ == nullptr) return nullptr;
  const auto it = redriven_->find(event.value());
  return it == redriven_->end() ? nullptr : it->second.pipelines;
}

bool EventLedger::IsOutToOthers(Offset event, const PipelineList& pipelines) const {
  const auto it = pending_.At(event);
  if (it == pending_.map().end() || Offset(it->first) > event || !it->second.redriven) return false;
  const bool out =
      it->second.state == RangeState::kLeased || it->second.state == RangeState::kParking;
  return out && !Redriven::Covers(PipelinesOf(event), pipelines);
}

bool EventLedger::IsUnsettledFor(Offset event, const std::string& pipeline) const {
  if (event >= next_) return true;
  const auto it = pending_.At(event);
  if (it == pending_.map().end() || Offset(it->first) > event) return false;
  const PendingRange& range = it->second;
  if (range.extra && !range.redriven) return false;
  const PipelineList pipelines = PipelinesOf(event);
  return pipelines == nullptr || absl::c_linear_search(*pipelines, pipeline);
}

bool EventLedger::WillBeDelivered(Offset event) const {
  if (event < log_->start()) return false;
  if (event >= next_) return true;
  const auto it = pending_.At(event);
  return it != pending_.map().end() && Offset(it->first) <= event && !it->second.extra &&
         it->second.state != RangeState::kSettling;
}

// ---- The position

void EventLedger::CutTo(Offset end) {
  pending_.EditRange(end, next_, [](Offset, PendingRange&) { return Verdict::kRemove; });
  next_ = end;
  trimmed_to_ = std::min(trimmed_to_, end);
  dirty_ = true;
}

// ---- Ranges

void EventLedger::Forget(const Removed& removed, Effects* effects) {
  for (const auto& [start, count] : removed) {
    if (redriven_ != nullptr) {
      const auto first = redriven_->lower_bound(start.value());
      redriven_->erase(first, redriven_->lower_bound(start.value() + count));
      if (redriven_->empty()) redriven_.reset();
    }
    if (keys_ == nullptr) continue;
    for (const Offset event : keys_->KnownOf(start, start + count)) {
      const std::optional<Offset> free = keys_->Settle(event);
      if (!free.has_value()) continue;
      pending_.EditRange(*free, *free + 1, [&](Offset, PendingRange& range) {
        if (range.state != RangeState::kBlocked) return Verdict::kKeep;
        range.state = RangeState::kReady;
        effects->more_to_deliver = true;
        return Verdict::kKeep;  // The store does not record that it was blocked.
      });
    }
  }
}

void EventLedger::Release(const PendingRange& range, Effects* effects) {
  if (range.state != RangeState::kLeased) return;
  const Usage usage{range.count, int64_t{range.count} * range.event_bytes};
  if (!effects->released.empty() && effects->released.back().first == range.consumer) {
    effects->released.back().second.events += usage.events;
    effects->released.back().second.bytes += usage.bytes;
    return;
  }
  effects->released.emplace_back(range.consumer, usage);
}

void EventLedger::Settle(Offset start, PendingRange& range, Effects* effects) {
  Release(range, effects);
  if (copy_ != nullptr && !range.extra) copy_->NoteSettled(start, range);
  std::vector<CommitChange>& changes = effects->in_commit;
  constexpr CommitChange::Kind kSettles = CommitChange::Kind::kSettles;
  if (!changes.empty() && changes.back().kind == kSettles &&
      changes.back().start + changes.back().count == start) {
    changes.back().count += range.count;
  } else {
    changes.push_back({start, range.count, kSettles, effects->commit});
  }
  range.state = RangeState::kSettling;
  range.alone = false;
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  range.stamp = static_cast<uint64_t>(effects->commit);
  range.attempts = 0;
  range.delivered = false;
  range.silent = false;
  range.due = 0;
  range.reason = SharedText();
}

void EventLedger::StartParking(Offset start, PendingRange& range, const NackReason& reason,
                               Effects* effects) {
  const absl::string_view why = reason.text.empty() ? range.reason.view() : reason.text;
  const bool same = !effects->parked.empty() && *effects->parked.back().reason == why;
  Parked parked{id(),
                start,
                range.count,
                range.attempts,
                same ? effects->parked.back().reason : std::make_shared<const std::string>(why),
                std::nullopt};
  parked.faults = reason.faults;
  if (range.redriven) {
    parked.redriven_from = PlaceOf(start);
    parked.pipelines = PipelinesOf(start);
  }
  effects->parked.push_back(std::move(parked));
  range.state = RangeState::kParking;
  range.alone = false;
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  range.stamp = 0;
  range.due = 0;
}

void EventLedger::MakeReady(PendingRange& range) {
  range.state = RangeState::kReady;
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  range.stamp = 0;
  range.due = 0;
  ABSL_ASSERT(range.attempts > 0);
  --range.attempts;
}

void EventLedger::TakeBack(Offset start, PendingRange& range, Effects* effects) {
  Release(range, effects);
  MakeReady(range);
  NoteTrimmable(start, range.count, range);
  effects->more_to_deliver = true;
}

void EventLedger::Requeue(const DeliveryRules& rules, Offset start, PendingRange& range, bool heard,
                          int64_t ready_at, int64_t now, const NackReason& reason,
                          Effects* effects) {
  Release(range, effects);
  if (rules.IsLast(range.attempts)) {
    const bool was_alone = range.silent;  // Or isolation was not possible.
    if (heard || was_alone || rules.max_attempts == 1) {
      StartParking(start, range, reason, effects);
      return;
    }
    range.attempts = rules.BeforeLast(range.attempts);
  }
  NoteTrimmable(start, range.count, range);
  if (!reason.text.empty()) range.reason = Reason(reason.text);
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  range.stamp = 0;
  const bool wait = ready_at > now;
  range.state = wait ? RangeState::kDelayed : RangeState::kReady;
  range.due = wait ? ready_at : 0;
  range.silent = !heard;
  range.alone = !heard && rules.IsLast(range.attempts + 1U);
  effects->more_to_deliver |= !wait;
}

SharedText EventLedger::Reason(absl::string_view reason) {
  if (reason.empty()) return SharedText();
  if (last_reason_.view() == reason) return last_reason_;
  const size_t bytes = SharedText::MemoryOf(reason.size());
  if (meter_ != nullptr && meter_->used() + bytes > meter_->limit() / 2) return SharedText();
  last_reason_ = SharedText(reason, meter_);
  return last_reason_;
}

void EventLedger::Complete(const CommitChange& change, Effects* effects) {
  if (change.kind == CommitChange::Kind::kLoses) {
    effects->lost += change.count;
    effects->trimmed.emplace_back(change.start, change.start + change.count);
    lost_in_commit_ -= static_cast<uint64_t>(change.count);
    return;
  }
  const bool settles = change.kind == CommitChange::Kind::kSettles;
  const auto commit = static_cast<uint64_t>(change.commit);
  // Deliveries may have waited for room, or for the events in flight.
  effects->more_to_deliver |= settles && pending_.full();
  Removed removed;
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
                         NoteTrimmable(start, range.count, range);
                         effects->more_to_deliver = true;
                       }
                       return Verdict::kKeep;  // Both states are stored alike.
                     });
  Forget(removed, effects);
}

// ---- Parking

void EventLedger::FinishParking(Offset start, uint32_t count, Effects* effects) {
  pending_.EditRange(start, start + count, [&](Offset first, PendingRange& range) {
    if (range.state != RangeState::kParking) return Verdict::kKeep;
    Settle(first, range, effects);
    return Verdict::kChanged;
  });
}

void EventLedger::LoseParked(Offset event, Effects* effects) {
  const auto it = pending_.At(event);
  if (it == pending_.map().end() || it->first > event.value()) return;
  // An event of a replay is settled already.
  const bool lost = !it->second.extra || it->second.redriven;
  FinishParking(event, 1, effects);
  if (!lost) return;
  effects->in_commit.push_back({event, 1, CommitChange::Kind::kLoses});
  ++lost_in_commit_;
  ++lost_;
  dirty_ = true;
}

void EventLedger::AbandonParking(Offset start, uint32_t count, int64_t retry_at,
                                 absl::string_view why) {
  pending_.EditRange(start, start + count, [&](Offset first, PendingRange& range) {
    if (range.state != RangeState::kParking) return Verdict::kKeep;
    NoteTrimmable(first, range.count, range);
    range.state = RangeState::kDelayed;
    range.due = retry_at;
    range.reason = Reason(why);
    return Verdict::kChanged;
  });
}

// ---- Extra events

int64_t EventLedger::CountReplay(Offset from, Offset to) const {
  int64_t events = 0;
  for (const auto& [start, end] : Gaps(from, std::min(to, next_))) events += end - start;
  return events;
}

int64_t EventLedger::AddReplay(Offset from, Offset to, Effects* effects) {
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
void EventLedger::AddComing(Offset start, int64_t count, PendingRange range, Effects* effects) {
  range.state = RangeState::kComing;
  range.stamp = static_cast<uint64_t>(effects->commit);
  pending_.EditRange(start, start + count, [](Offset, PendingRange&) { return Verdict::kRemove; });
  pending_.Add(start, count, range);
  effects->in_commit.push_back({start, count, CommitChange::Kind::kComes, effects->commit});
}

int64_t EventLedger::CancelReplays(Offset from, Offset to, Effects* effects) {
  int64_t events = 0;
  pending_.EditRange(from, to, [&](Offset start, PendingRange& range) {
    if (!range.extra || range.redriven || range.out()) return Verdict::kKeep;
    events += range.count;
    Settle(start, range, effects);
    return Verdict::kChanged;
  });
  return events;
}

void EventLedger::AddRedrivenFrom(Offset event, Redriven redriven) {
  if (redriven_ == nullptr) redriven_ = std::make_unique<RedrivenEvents>();
  // Redriven events are often for the same pipelines: they share the list.
  if (SamePipelines(redriven.pipelines, last_pipelines_)) {
    redriven.pipelines = last_pipelines_;
  } else {
    last_pipelines_ = redriven.pipelines;
  }
  redriven_->insert_or_assign(event.value(), std::move(redriven));
}

bool EventLedger::AddRedriven(Offset event, const DeadLetterPlace& place, Effects* effects,
                              const PipelineList& pipelines) {
  if (event >= next_) return false;
  bool pending = false;
  bool live = false;
  const auto redrive = [&](PendingRange& range, const PipelineList& to) {
    range.extra = true;
    range.redriven = true;
    AddRedrivenFrom(event, {place, to});
  };
  pending_.EditRange(event, event + 1, [&](Offset, PendingRange& range) {
    if (range.state == RangeState::kSettling) return Verdict::kKeep;
    pending = true;
    live = !range.extra;
    if (live) return Verdict::kKeep;
    // Canceling its replay must not remove it. A replay is for all pipelines.
    redrive(range, range.redriven ? Union(PipelinesOf(event), pipelines) : nullptr);
    // If it is not delivered yet, it comes with this commit, which closes the letter.
    if (range.state == RangeState::kReady || range.state == RangeState::kBlocked) {
      range.state = RangeState::kComing;
    }
    if (range.state == RangeState::kComing) {
      range.stamp = static_cast<uint64_t>(effects->commit);
      effects->in_commit.push_back({event, 1, CommitChange::Kind::kComes, effects->commit});
    }
    return Verdict::kChanged;
  });
  if (pending) return !live;
  PendingRange range;
  redrive(range, pipelines);
  AddComing(event, 1, range, effects);
  return true;
}

// ---- Trimmed events

// Leased events can still be settled, redriven ones have a copy, and replays go on in the history.
// A coming range may have replaced a settling one: who takes over the partition waits for it
// (StreamScheduler::Assign).
bool EventLedger::Trimmable(const PendingRange& range) {
  return !range.out() && !range.redriven && range.state != RangeState::kComing;
}

bool EventLedger::HasTrimmed(Offset from, Offset to, Effects* effects) const {
  for (auto it = pending_.At(from); it != pending_.map().end() && it->first < to.value(); ++it) {
    ++effects->looked_at;
    const Offset start(it->first);
    const bool stays = it->second.extra &&
                       IsHistory(std::max(start, from), std::min(start + it->second.count, to));
    if (Trimmable(it->second) && !stays) return true;
  }
  return false;
}

Offset EventLedger::HistoryBorder(Offset from, Offset to) const {
  const Offset begin = log_->history_start();
  const Offset end = log_->history_end();
  if (from < begin) return std::min(to, begin);
  return from < end ? std::min(to, end) : to;
}

void EventLedger::RemoveTrimmed(Offset from, Offset to, Effects* effects) {
  Removed removed;
  int64_t lost = 0;
  for (Offset end = from; from < to; from = end) {
    end = HistoryBorder(from, to);
    const bool history = IsHistory(from, end);
    pending_.EditRange(from, end, [&](Offset first, PendingRange& range) {
      if (!Trimmable(range) || (range.extra && history)) return Verdict::kKeep;  // See HasTrimmed.
      if (!range.extra) lost += range.count;
      removed.emplace_back(first, range.count);
      return Verdict::kRemove;
    });
  }
  for (const auto& [first, count] : removed) effects->trimmed.emplace_back(first, first + count);
  // A STREAM may have waited for the retry of a removed event.
  effects->more_to_deliver |= !removed.empty();
  Forget(removed, effects);
  CountLost(lost, effects);
}

void EventLedger::CountLost(int64_t events, Effects* effects) {
  if (events == 0) return;
  effects->lost += events;
  lost_ += static_cast<uint64_t>(events);
  dirty_ = true;
}

void EventLedger::Lose(Offset from, Offset to, Effects* effects) {
  effects->trimmed.emplace_back(from, to);
  CountLost(to - from, effects);
}

void EventLedger::NoteTrimmable(Offset start, int64_t count, const PendingRange& range) {
  if (range.redriven || start >= trimmed_to_) return;
  const Offset end = std::min(start + count, trimmed_to_);
  if (!trimmable_.empty() && trimmable_.back().second == start) {
    trimmable_.back().second = end;
  } else {
    trimmable_.emplace_back(start, end);
  }
}

Offset EventLedger::DropPiece(Offset from, Offset to, size_t* left, Effects* effects) {
  const Offset end = pending_.EndOf(*left, from, to);
  *left -= pending_.CountIn(from, end, *left);
  if (HasTrimmed(from, end, effects)) RemoveTrimmed(from, end, effects);
  return end;
}

// Runs on every delivery. Many trimmed events may stay: redriven ones, and those in flight. So each
// is examined once, and again when its state changes.
bool EventLedger::DropTrimmed(size_t* left, Effects* effects) {
  while (!trimmable_.empty()) {
    if (*left == 0) return false;
    auto& [from, to] = trimmable_.back();
    from = DropPiece(from, to, left, effects);
    if (from == to) trimmable_.pop_back();
  }
  const Offset start = log_->start();
  while (trimmed_to_ < start) {
    if (*left == 0) return false;
    trimmed_to_ = DropPiece(trimmed_to_, start, left, effects);
  }
  LoseUpTo(start, effects);
  return true;
}

void EventLedger::DropIfTrimmed(Offset event, Effects* effects) {
  const Offset start = log_->start();
  if (event >= start) return;
  if (HasTrimmed(event, event + 1, effects)) RemoveTrimmed(event, event + 1, effects);
  if (event >= next_) LoseUpTo(start, effects);
}

void EventLedger::LoseUpTo(Offset start, Effects* effects) {
  if (next_ >= start) return;
  Lose(next_, start, effects);
  next_ = start;
}

void EventLedger::DropRedriven(Offset event, Effects* effects) {
  Removed removed;
  pending_.EditRange(event, event + 1, [&](Offset start, PendingRange& range) {
    if (!range.redriven || range.state != RangeState::kReady) return Verdict::kKeep;
    removed.emplace_back(start, 1);
    return Verdict::kRemove;
  });
  if (removed.empty()) return;
  Forget(removed, effects);
  effects->trimmed.emplace_back(event, event + 1);
  effects->more_to_deliver = true;
  CountLost(1, effects);
}

KeyOrder& EventLedger::keys() {
  if (keys_ == nullptr) keys_ = std::make_unique<KeyOrder>(meter_);
  return *keys_;
}

// ---- The store

void EventLedger::Flush(SubscriptionId subscription, int64_t wall_offset, CommitBuilder& commit) {
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
  const auto put = [&](Offset start, const PendingRange& range) {
    const Redriven* const redriven = range.redriven ? &redriven_->at(start.value()) : nullptr;
    commit.Put(Column::kCursors, PendingKey(subscription, id(), start),
               EncodeRange(range, redriven, wall_offset).SerializeAsString());
  };
  const auto erase = [&](Offset start) {
    commit.Delete(Column::kCursors, PendingKey(subscription, id(), start));
  };
  pending_.Flush(put, erase);
}

void EventLedger::Load(const stored::Cursor& cursor) {
  next_ = Offset(cursor.next_offset());
  lost_ = cursor.lost_events();
}

bool EventLedger::Load(Offset start, const stored::Range& record, int64_t wall_offset,
                       int64_t now) {
  Offset last(0);
  if (!pending_.map().empty()) {
    const auto& [first, range] = *pending_.map().rbegin();
    last = Offset(first) + range.count;
  }
  if (start < last || start >= next_ || record.count() > next_ - start) return false;
  std::optional<PendingRange> range = DecodeRange(record, wall_offset, now);
  if (!range.has_value()) return false;
  range->reason = Reason(record.reason());
  if (range->redriven) AddRedrivenFrom(start, DecodeRedriven(record));
  pending_.Load(start, *std::move(range));
  return true;
}

}  // namespace eventhub
