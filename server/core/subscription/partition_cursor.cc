#include "server/core/subscription/partition_cursor.h"

#include <algorithm>
#include <limits>

#include "server/core/subscription/stored_time.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

using Verdict = PendingRanges::Verdict;

constexpr uint32_t kCursorVersion = 1;
constexpr uint32_t kMaxCountedAttempts = std::numeric_limits<uint16_t>::max();

uint16_t CountAttempt(uint32_t attempts) {
  return static_cast<uint16_t>(std::min(attempts + 1, kMaxCountedAttempts));
}

bool IsLast(const DeliveryRules& rules, uint32_t attempts) {
  return rules.max_attempts > 0 && attempts >= rules.max_attempts;
}

// Whether the range was loaded and waits for a retry, but is a candidate first: see ParkExhausted.
bool WaitsUnknown(const PendingRange& range) {
  return range.state == RangeState::kReady && range.due != 0;
}

}  // namespace

std::shared_ptr<const std::string> PartitionCursor::Reason(absl::string_view reason) {
  if (reason.empty()) return nullptr;
  if (last_reason_ == nullptr || *last_reason_ != reason) {
    last_reason_ = std::make_shared<const std::string>(reason);
  }
  return last_reason_;
}

KeyOrder& PartitionCursor::keys() {
  if (keys_ == nullptr) keys_ = std::make_unique<KeyOrder>();
  return *keys_;
}

Offset PartitionCursor::acked() const {
  for (const auto& [start, range] : pending_.map()) {
    if (!range.extra) return Offset(start);
  }
  return next_;
}

int64_t PartitionCursor::LagUpTo(Offset end) const {
  return pending_.counts().live + std::max<int64_t>(0, end - next_);
}

bool PartitionCursor::Exhausted(const DeliveryRules& rules) const {
  if (pending_.map().size() >= kMaxRanges) return true;
  return rules.ordered_by_key && keys_ != nullptr && keys_->waiting() >= kMaxWaiting;
}

// ---- Delivery

std::optional<Candidate> PartitionCursor::Next(const DeliveryRules& rules, bool extra) const {
  if (rules.queue) {
    const auto ready = pending_.FirstReady(extra);
    if (ready != pending_.map().end()) return MakeCandidate(ready);
    if (extra) return std::nullopt;
    return Fresh(rules);
  }
  if (LastAttemptIsOut(rules, extra)) return std::nullopt;
  std::optional<Candidate> candidate = extra ? FirstExtra() : FirstInOrder(rules);
  // Whose last attempt it is, is alone at the consumer.
  if (candidate.has_value() && IsLast(rules, candidate->attempts + 1)) {
    if (CountLeased(extra) > 0) return std::nullopt;
    candidate->end = candidate->start + 1;
  }
  return candidate;
}

// Live events and extra ones do not wait for each other, lest one of the two flows stand still.
bool PartitionCursor::LastAttemptIsOut(const DeliveryRules& rules, bool extra) const {
  int64_t leased = rules.max_attempts > 0 ? CountLeased(extra) : 0;
  for (auto it = pending_.map().begin(); leased > 0; ++it) {
    const PendingRange& range = it->second;
    if (range.state != RangeState::kLeased || range.extra != extra) continue;
    if (IsLast(rules, range.attempts)) return true;
    leased -= range.count;
  }
  return false;
}

int64_t PartitionCursor::CountLeased(bool extra) const {
  const PendingRanges::Counts& counts = pending_.counts();
  return extra ? counts.leased - counts.leased_live : counts.leased_live;
}

std::optional<Candidate> PartitionCursor::FirstExtra() const {
  const auto ready = pending_.FirstReady(true);
  if (ready == pending_.map().end()) return std::nullopt;
  return MakeCandidate(ready);
}

std::optional<Candidate> PartitionCursor::FirstInOrder(const DeliveryRules& rules) const {
  if (pending_.counts().delayed == 0) {
    // Without a look at all that is out.
    const auto ready = pending_.FirstReady(false);
    return ready == pending_.map().end() ? Fresh(rules) : MakeCandidate(ready);
  }
  for (auto it = pending_.map().begin(); it != pending_.map().end(); ++it) {
    if (it->second.extra) continue;
    if (it->second.state == RangeState::kReady) return MakeCandidate(it);
    if (it->second.state == RangeState::kDelayed) return std::nullopt;
  }
  return Fresh(rules);
}

std::optional<Candidate> PartitionCursor::Fresh(const DeliveryRules& rules) const {
  const Offset end = log_->end();
  if (next_ >= end || Exhausted(rules)) return std::nullopt;
  Candidate candidate{next_, end};
  candidate.fresh = true;
  return candidate;
}

Candidate PartitionCursor::MakeCandidate(PendingRanges::Map::const_iterator it) const {
  const Offset start(it->first);
  Candidate candidate{start, start + it->second.count, it->second.attempts};
  candidate.extra = it->second.extra;
  if (it->second.redriven) candidate.redriven_from = redriven_->at(it->first);
  return candidate;
}

bool PartitionCursor::AdmitKey(Offset event, uint64_t key) {
  return keys().Admit(event, key) && !WaitsForRetry(event);
}

bool PartitionCursor::WaitsForRetry(Offset event) const {
  const auto range = pending_.At(event);
  const bool pending = range != pending_.map().end() && range->first <= event.value();
  return pending && WaitsUnknown(range->second);
}

void PartitionCursor::Lease(const Candidate& candidate, Offset start, uint32_t count,
                            uint32_t event_bytes, ConsumerId consumer, int64_t due) {
  const auto lease = [&](PendingRange& range) {
    range.state = RangeState::kLeased;
    range.attempts = CountAttempt(candidate.attempts);
    range.consumer = consumer;
    range.event_bytes = event_bytes;
    range.due = due;
  };
  if (candidate.fresh) {
    PendingRange range;
    lease(range);
    pending_.Add(start, count, range);
    next_ = start + count;
    dirty_ = true;
    return;
  }
  pending_.EditRange(start, start + count, [&](Offset, PendingRange& range) {
    lease(range);
    return Verdict::kChanged;
  });
}

void PartitionCursor::Block(const Candidate& candidate, Offset event) {
  if (candidate.fresh) {
    PendingRange range;
    range.state = RangeState::kBlocked;
    pending_.Add(event, 1, range);
    next_ = event + 1;
    dirty_ = true;
    return;
  }
  pending_.EditRange(event, event + 1, [](Offset, PendingRange& range) {
    range.state = WaitsUnknown(range) ? RangeState::kDelayed : RangeState::kBlocked;
    return Verdict::kChanged;
  });
}

void PartitionCursor::Pass(const Candidate& candidate, Offset from, Offset to) {
  if (candidate.fresh) {
    next_ = to;
    passed_ = true;
    return;
  }
  pending_.EditRange(from, to, [](Offset, PendingRange&) { return Verdict::kRemove; });
}

// ---- Settling

void PartitionCursor::EditLeased(ConsumerId consumer, Offset from, Offset to, Refused refused,
                                 Effects* effects, PendingRanges::Edit edit) {
  Offset at = from;  // What lies before is dealt with.
  const auto refuse_to = [&](Offset end) {
    if (at < end) refused(at, end);
  };
  effects->looked_at += pending_.EditRange(from, to, [&](Offset start, PendingRange& range) {
    if (range.state != RangeState::kLeased || range.consumer != consumer) return Verdict::kKeep;
    refuse_to(start);
    at = start + range.count;
    return edit(start, range);
  });
  refuse_to(to);
}

void PartitionCursor::Release(const PendingRange& range, Effects* effects) {
  if (range.state != RangeState::kLeased) return;
  const Usage usage{range.count, int64_t{range.count} * range.event_bytes};
  if (!effects->released.empty() && effects->released.back().first == range.consumer) {
    effects->released.back().second.events += usage.events;
    effects->released.back().second.bytes += usage.bytes;
    return;
  }
  effects->released.emplace_back(range.consumer, usage);
}

void PartitionCursor::Forget(const std::vector<std::pair<Offset, uint32_t>>& removed,
                             Effects* effects) {
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
        return Verdict::kChanged;
      });
    }
  }
}

bool PartitionCursor::IsLeased(const DeliveryRules& rules, ConsumerId consumer, Offset from,
                               Offset to) const {
  if (!rules.queue) {
    // The owner of a partition may ack again what it acked, but not what went back from it.
    for (auto it = pending_.At(from); it != pending_.map().end() && it->first < to.value(); ++it) {
      if (it->second.state != RangeState::kLeased) return false;
    }
    return owner == consumer && to <= next_;
  }
  Offset at = from;
  for (auto it = pending_.At(from); it != pending_.map().end() && at < to; ++it) {
    const PendingRange& range = it->second;
    const bool leased = range.state == RangeState::kLeased && range.consumer == consumer;
    if (Offset(it->first) > at || !leased) return false;
    at = Offset(it->first) + range.count;
  }
  return at >= to;
}

void PartitionCursor::Ack(bool exact, ConsumerId consumer, Offset from, Offset to, Refused refused,
                          Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  const auto remove = [&](Offset start, PendingRange& range) {
    Release(range, effects);
    effects->acked += range.count;
    removed.emplace_back(start, range.count);
    return Verdict::kRemove;
  };
  if (exact) {
    EditLeased(consumer, from, to, refused, effects, remove);
  } else {
    // Up to `to`, whatever else was named; but for extra events, which are acked by name.
    const Offset end = std::min(to, next_);
    const auto has = [&](const PendingRange& range) {
      return range.state == RangeState::kLeased && range.consumer == consumer;
    };
    effects->looked_at +=
        pending_.EditRange(Offset(0), end, [&](Offset start, PendingRange& range) {
          return has(range) && !range.extra ? remove(start, range) : Verdict::kKeep;
        });
    effects->looked_at += pending_.EditRange(from, end, [&](Offset start, PendingRange& range) {
      if (has(range)) return remove(start, range);
      // What is parked is as good as acked, but what was taken back will come again.
      const bool again = !range.extra && range.state != RangeState::kParking;
      if (again) refused(start, start + range.count);
      return Verdict::kKeep;
    });
    if (to > next_) refused(std::max(from, next_), to);
  }
  Forget(removed, effects);
}

void PartitionCursor::StartParking(Offset start, PendingRange& range, absl::string_view reason,
                                   Effects* effects) {
  Parked parked{id(), start, range.count, range.attempts, std::string(reason), std::nullopt};
  if (reason.empty() && range.reason != nullptr) parked.reason = *range.reason;
  if (range.redriven) parked.redriven_from = redriven_->at(start.value());
  effects->parked.push_back(std::move(parked));
  range.state = RangeState::kParking;
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  range.due = 0;
}

void PartitionCursor::Requeue(const DeliveryRules& rules, Offset start, PendingRange& range,
                              int64_t ready_at, int64_t now, absl::string_view reason,
                              Effects* effects) {
  Release(range, effects);
  if (rules.max_attempts > 0 && range.attempts >= rules.max_attempts) {
    StartParking(start, range, reason, effects);
    return;
  }
  if (!reason.empty()) range.reason = Reason(reason);
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  const bool wait = ready_at > now;
  range.state = wait ? RangeState::kDelayed : RangeState::kReady;
  range.due = wait ? ready_at : 0;
  effects->more_to_deliver |= !wait;
}

void PartitionCursor::Retry(const DeliveryRules& rules, ConsumerId consumer, Offset from, Offset to,
                            absl::FunctionRef<int64_t(uint32_t)> retry_at, int64_t now,
                            absl::string_view reason, Refused refused, Effects* effects) {
  const Offset nacked_to = rules.queue ? to : std::min(to, from + 1);
  bool rewind = false;
  EditLeased(consumer, from, nacked_to, refused, effects, [&](Offset start, PendingRange& range) {
    effects->nacked += range.count;
    Requeue(rules, start, range, retry_at(range.attempts), now, reason, effects);
    rewind |= !range.extra;
    return Verdict::kChanged;
  });
  if (rules.queue || !rewind) return;
  effects->rewound = true;
  // What was delivered after it comes again after it; not for a fault of its own.
  pending_.EditRange(nacked_to, next_, [&](Offset, PendingRange& range) {
    if (range.state != RangeState::kLeased || range.extra) return Verdict::kKeep;
    Release(range, effects);
    range.state = RangeState::kReady;
    range.consumer = ConsumerId();
    range.event_bytes = 0;
    range.due = 0;
    return Verdict::kChanged;
  });
}

void PartitionCursor::Park(ConsumerId consumer, Offset from, Offset to, absl::string_view reason,
                           Refused refused, Effects* effects) {
  EditLeased(consumer, from, to, refused, effects, [&](Offset start, PendingRange& range) {
    effects->nacked += range.count;
    Release(range, effects);
    StartParking(start, range, reason, effects);
    return Verdict::kChanged;
  });
}

void PartitionCursor::Skip(ConsumerId consumer, Offset from, Offset to, Refused refused,
                           Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  EditLeased(consumer, from, to, refused, effects, [&](Offset start, PendingRange& range) {
    effects->nacked += range.count;
    effects->skipped += range.count;
    Release(range, effects);
    removed.emplace_back(start, range.count);
    return Verdict::kRemove;
  });
  Forget(removed, effects);
}

void PartitionCursor::Extend(ConsumerId consumer, Offset from, Offset to, int64_t due,
                             Refused refused, Effects* effects) {
  EditLeased(consumer, from, to, refused, effects, [&](Offset, PendingRange& range) {
    range.due = due;
    return Verdict::kKeep;  // The store does not know of leases.
  });
}

void PartitionCursor::Return(const DeliveryRules& rules, ConsumerId consumer, absl::string_view why,
                             Effects* effects) {
  pending_.EditRange(Offset(0), next_, [&](Offset start, PendingRange& range) {
    if (range.state != RangeState::kLeased || range.consumer != consumer) return Verdict::kKeep;
    Requeue(rules, start, range, 0, 0, why, effects);
    return Verdict::kChanged;
  });
}

void PartitionCursor::Expire(const DeliveryRules& rules, int64_t now, Effects* effects) {
  pending_.EditDue(now, [&](Offset start, PendingRange& range) {
    if (range.due > now) return Verdict::kKeep;
    if (range.state == RangeState::kLeased) {
      effects->expired += range.count;
      Requeue(rules, start, range, 0, now, "the lease ended without an ack", effects);
    } else if (range.state == RangeState::kDelayed) {
      range.state = RangeState::kReady;
      range.due = 0;
      effects->more_to_deliver = true;
    }
    return Verdict::kChanged;
  });
}

void PartitionCursor::ParkExhausted(const DeliveryRules& rules, absl::string_view why,
                                    Effects* effects) {
  pending_.EditRange(Offset(0), next_, [&](Offset start, PendingRange& range) {
    const bool out = range.state == RangeState::kLeased || range.state == RangeState::kParking;
    if (!out && IsLast(rules, range.attempts)) {
      StartParking(start, range, range.reason != nullptr ? "" : why, effects);
      return Verdict::kChanged;
    }
    if (WaitsUnknown(range) && !rules.ordered_by_key) range.state = RangeState::kDelayed;
    return Verdict::kKeep;
  });
}

void PartitionCursor::FinishParking(Offset start, uint32_t count, Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  pending_.EditRange(start, start + count, [&](Offset first, PendingRange& range) {
    if (range.state != RangeState::kParking) return Verdict::kKeep;
    removed.emplace_back(first, range.count);
    return Verdict::kRemove;
  });
  Forget(removed, effects);
}

void PartitionCursor::LoseParked(Offset event, Effects* effects) {
  const auto it = pending_.At(event);
  if (it == pending_.map().end() || it->first > event.value()) return;
  // An event of a replay was settled before.
  const bool lost = !it->second.extra || it->second.redriven;
  FinishParking(event, 1, effects);
  if (!lost) return;
  effects->trimmed.emplace_back(event, event + 1);
  ++effects->lost;
  ++lost_;
  dirty_ = true;
}

void PartitionCursor::AbandonParking(Offset start, uint32_t count, int64_t retry_at,
                                     absl::string_view why) {
  pending_.EditRange(start, start + count, [&](Offset, PendingRange& range) {
    if (range.state != RangeState::kParking) return Verdict::kKeep;
    range.state = RangeState::kDelayed;
    range.due = retry_at;
    range.reason = Reason(why);
    return Verdict::kChanged;
  });
}

void PartitionCursor::DropTrimmed(Effects* effects) {
  const Offset start = log_->start();
  const bool behind = next_ < start;
  if (!behind && (pending_.map().empty() || pending_.map().begin()->first >= start.value())) return;
  std::vector<std::pair<Offset, uint32_t>> removed;
  int64_t lost = 0;
  pending_.EditRange(Offset(0), start, [&](Offset first, PendingRange& range) {
    // What is at a consumer can still be settled, and a dead letter has a copy.
    const bool out = range.state == RangeState::kLeased || range.state == RangeState::kParking;
    if (out || range.redriven) return Verdict::kKeep;
    if (!range.extra) lost += range.count;
    removed.emplace_back(first, range.count);
    return Verdict::kRemove;
  });
  for (const auto& [first, count] : removed) effects->trimmed.emplace_back(first, first + count);
  // A STREAM may have waited for its retry.
  effects->more_to_deliver |= !removed.empty();
  Forget(removed, effects);
  if (behind) {
    lost += start - next_;
    effects->trimmed.emplace_back(next_, start);
    next_ = start;
  }
  if (lost > 0) {
    effects->lost += lost;
    lost_ += static_cast<uint64_t>(lost);
    dirty_ = true;
  }
}

void PartitionCursor::DropRedriven(Offset event, Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  pending_.EditRange(event, event + 1, [&](Offset start, PendingRange& range) {
    const bool gone = range.redriven && start < log_->start();
    if (!gone || range.state != RangeState::kReady) return Verdict::kKeep;
    removed.emplace_back(start, 1);
    return Verdict::kRemove;
  });
  if (removed.empty()) return;
  Forget(removed, effects);
  effects->trimmed.emplace_back(event, event + 1);
  effects->more_to_deliver = true;
  ++effects->lost;
  ++lost_;
  dirty_ = true;
}

// ---- Moving

void PartitionCursor::Seek(Offset to, Effects* effects) {
  for (const auto& [start, range] : pending_.map()) Release(range, effects);
  pending_.Clear();
  keys_.reset();
  redriven_.reset();
  draining = false;
  next_ = to;
  dirty_ = true;
}

void PartitionCursor::CutTo(Offset end) {
  pending_.EditRange(end, next_, [](Offset, PendingRange&) { return Verdict::kRemove; });
  next_ = end;
  dirty_ = true;
}

void PartitionCursor::AddPending(Offset start, int64_t count, uint32_t attempts) {
  PendingRange range;
  range.attempts = static_cast<uint16_t>(std::min(attempts, kMaxCountedAttempts));
  pending_.Add(start, count, range);
}

int64_t PartitionCursor::AddReplay(Offset from, Offset to, bool add) {
  to = std::min(to, next_);
  std::vector<std::pair<Offset, Offset>> gaps;
  Offset at = from;
  for (auto it = pending_.At(from); it != pending_.map().end() && it->first < to.value(); ++it) {
    if (Offset(it->first) > at) gaps.emplace_back(at, Offset(it->first));
    at = std::max(at, Offset(it->first) + it->second.count);
  }
  if (at < to) gaps.emplace_back(at, to);
  int64_t events = 0;
  PendingRange range;
  range.extra = true;
  for (const auto& [start, end] : gaps) {
    events += end - start;
    if (add) pending_.Add(start, end - start, range);
  }
  return events;
}

int64_t PartitionCursor::CancelReplays(Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  int64_t events = 0;
  pending_.EditRange(Offset(0), next_, [&](Offset start, PendingRange& range) {
    const bool out = range.state == RangeState::kLeased || range.state == RangeState::kParking;
    if (!range.extra || range.redriven || out) return Verdict::kKeep;
    events += range.count;
    removed.emplace_back(start, range.count);
    return Verdict::kRemove;
  });
  Forget(removed, effects);
  return events;
}

void PartitionCursor::AddRedriven(Offset event, const DeadLetterPlace& place) {
  if (event >= next_) return;  // It comes anyway.
  bool comes = false;
  const auto redrive = [&](PendingRange& range) {
    range.extra = true;
    range.redriven = true;
    if (redriven_ == nullptr) redriven_ = std::make_unique<RedrivenPlaces>();
    redriven_->insert_or_assign(event.value(), place);
  };
  pending_.EditRange(event, event + 1, [&](Offset, PendingRange& range) {
    comes = true;
    if (!range.extra) return Verdict::kKeep;
    // The end of its replay is not to take it away.
    redrive(range);
    return Verdict::kChanged;
  });
  if (comes) return;
  PendingRange range;
  redrive(range);
  pending_.Add(event, 1, range);
}

// ---- The store

void PartitionCursor::Flush(SubscriptionId subscription, int64_t wall_offset,
                            CommitBuilder& commit) {
  if (dirty_) {
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
        record.set_attempts(range.attempts);
        record.set_extra(range.extra);
        if (range.state == RangeState::kDelayed || WaitsUnknown(range)) {
          record.set_retry_time_micros(range.due + wall_offset);
        }
        if (range.reason != nullptr) record.set_reason(*range.reason);
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
  range.attempts = static_cast<uint16_t>(std::min(record.attempts(), kMaxCountedAttempts));
  range.extra = record.extra();
  range.reason = Reason(record.reason());
  const int64_t retry_at = record.retry_time_micros() - wall_offset;
  if (record.retry_time_micros() != 0 && retry_at > now) range.due = retry_at;
  if (record.has_redriven_from()) {
    range.redriven = true;
    const stored::DeadLetterPlace& from = record.redriven_from();
    if (redriven_ == nullptr) redriven_ = std::make_unique<RedrivenPlaces>();
    redriven_->emplace(start.value(),
                       DeadLetterPlace{TopicId(from.topic_id()), PartitionId(from.partition()),
                                       Offset(from.offset())});
  }
  pending_.Load(start, std::move(range));
  return true;
}

}  // namespace eventhub
