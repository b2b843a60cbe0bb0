// How delivered events are settled: acks, nacks, ended leases, parking, trimming.
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/base/macros.h"
#include "server/core/subscription/cursor/partition_cursor.h"

namespace eventhub {

void PartitionCursor::EditLeased(ConsumerId consumer, Offset from, Offset to, Refused refused,
                                 Effects* effects, PendingRanges::Edit edit) {
  Offset at = from;  // Offsets before `at` are handled.
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

void PartitionCursor::Settle(Offset start, PendingRange& range, Effects* effects) {
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
        return Verdict::kKeep;  // The store does not record that it was blocked.
      });
    }
  }
}

bool PartitionCursor::IsLeased(const DeliveryRules& rules, bool exact, ConsumerId consumer,
                               Offset from, Offset to) const {
  if (!rules.queue) return owner == consumer && to <= next_ && IsOut(exact, from, to);
  Offset at = from;
  for (auto it = pending_.At(from); it != pending_.map().end() && at < to; ++it) {
    const PendingRange& range = it->second;
    const bool leased = range.state == RangeState::kLeased && range.consumer == consumer;
    if (Offset(it->first) > at || !leased) return false;
    at = Offset(it->first) + range.count;
  }
  return at >= to;
}

// The owner of a partition may repeat an ack together with new ones, but must not ack events that
// were taken back from it.
bool PartitionCursor::IsOut(bool exact, Offset from, Offset to) const {
  bool any = false;
  auto it = exact ? pending_.At(from) : pending_.map().begin();
  for (; it != pending_.map().end() && it->first < to.value(); ++it) {
    const PendingRange& range = it->second;
    if (range.state == RangeState::kSettling) continue;
    // Leases of an earlier owner may still have to be swept.
    const bool leased = range.state == RangeState::kLeased && range.consumer == owner;
    const bool named = Offset(it->first) + range.count > from;
    if (named && !leased) return false;
    any |= leased && (named || !range.extra);
  }
  return any;
}

void PartitionCursor::Ack(bool exact, ConsumerId consumer, Offset from, Offset to, Refused refused,
                          Effects* effects, Offset all_from) {
  const auto ack = [&](Offset start, PendingRange& range) {
    effects->acked += range.count;
    Settle(start, range, effects);
    return Verdict::kChanged;
  };
  if (exact) {
    EditLeased(consumer, from, to, refused, effects, ack);
  } else {
    // Cumulative, except for extra events, which are acked explicitly.
    const Offset end = std::min(to, next_);
    const auto has = [&](const PendingRange& range) {
      return range.state == RangeState::kLeased && range.consumer == consumer;
    };
    effects->looked_at += pending_.EditRange(all_from, end, [&](Offset start, PendingRange& range) {
      return has(range) && !range.extra ? ack(start, range) : Verdict::kKeep;
    });
    effects->looked_at += pending_.EditRange(from, end, [&](Offset start, PendingRange& range) {
      if (has(range)) return ack(start, range);
      // Parked events count as acked, but events that were taken back will be redelivered.
      const bool again = !range.extra && range.state != RangeState::kParking &&
                         range.state != RangeState::kSettling;
      if (again) refused(start, start + range.count);
      return Verdict::kKeep;
    });
    if (to > next_) refused(std::max(from, next_), to);
  }
}

void PartitionCursor::StartParking(Offset start, PendingRange& range, absl::string_view reason,
                                   Effects* effects) {
  Parked parked{id(), start, range.count, range.attempts, std::string(reason), std::nullopt};
  if (reason.empty()) parked.reason = std::string(range.reason.view());
  if (range.redriven) parked.redriven_from = redriven_->at(start.value());
  effects->parked.push_back(std::move(parked));
  range.state = RangeState::kParking;
  range.alone = false;
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  range.stamp = 0;
  range.due = 0;
}

void PartitionCursor::MakeReady(PendingRange& range) {
  range.state = RangeState::kReady;
  range.consumer = ConsumerId();
  range.event_bytes = 0;
  range.stamp = 0;
  range.due = 0;
  ABSL_ASSERT(range.attempts > 0);
  --range.attempts;
}

void PartitionCursor::TakeBack(Offset start, PendingRange& range, Effects* effects) {
  Release(range, effects);
  MakeReady(range);
  NoteTrimmable(start);
  effects->more_to_deliver = true;
}

void PartitionCursor::Requeue(const DeliveryRules& rules, Offset start, PendingRange& range,
                              bool heard, int64_t ready_at, int64_t now, absl::string_view reason,
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
  NoteTrimmable(start);
  if (!reason.empty()) range.reason = Reason(reason);
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

void PartitionCursor::Retry(const DeliveryRules& rules, ConsumerId consumer, uint64_t epoch,
                            Offset from, Offset to, absl::FunctionRef<int64_t(uint32_t)> retry_at,
                            int64_t now, absl::string_view reason, Refused refused,
                            Effects* effects, size_t* left) {
  const Offset nacked_to = rules.queue ? to : std::min(to, from + 1);
  bool rewind = false;
  EditLeased(consumer, from, nacked_to, refused, effects, [&](Offset start, PendingRange& range) {
    if (range.stamp != epoch) {
      refused(start, start + range.count);
      return Verdict::kKeep;
    }
    effects->nacked += range.count;
    Requeue(rules, start, range, true, retry_at(range.attempts), now, reason, effects);
    rewind |= !range.extra;
    return Verdict::kChanged;
  });
  if (rules.queue || !rewind) return;
  effects->rewound = true;
  // Later events are redelivered after it; their attempts do not count as failed.
  Sweep sweep{Sweep::Kind::kRewind, {consumer}, SharedText()};
  sweep.at = nacked_to;
  Begin(rules, std::move(sweep), left, effects);
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
  EditLeased(consumer, from, to, refused, effects, [&](Offset start, PendingRange& range) {
    effects->nacked += range.count;
    effects->skipped += range.count;
    Settle(start, range, effects);
    return Verdict::kChanged;
  });
}

void PartitionCursor::Extend(ConsumerId consumer, Offset from, Offset to, int64_t due,
                             Refused refused, Effects* effects) {
  EditLeased(consumer, from, to, refused, effects, [&](Offset, PendingRange& range) {
    range.due = due;
    return Verdict::kKeep;  // Leases are not stored.
  });
}

// ---- Sweeps

bool PartitionCursor::blocked_by_sweep() const {
  return absl::c_any_of(sweeps_, [](const Sweep& sweep) { return sweep.blocks; });
}

void PartitionCursor::Begin(const DeliveryRules& rules, Sweep sweep, size_t* left,
                            Effects* effects) {
  sweep.blocks = sweep.kind == Sweep::Kind::kLimits || (sweep.ends_leases() && !rules.queue);
  // However many consumers leave, one more sweep covers those that the begun sweep does not.
  const bool joins = !sweeps_.empty() && !sweeps_.back().begun &&
                     sweeps_.back().kind == sweep.kind && sweeps_.back().why == sweep.why;
  if (joins) {
    sweeps_.back().consumers.merge(sweep.consumers);
    sweeps_.back().lowered |= sweep.lowered;
    sweeps_.back().at = std::min(sweeps_.back().at, sweep.at);
  } else {
    sweeps_.push_back(std::move(sweep));
  }
  SweepOn(rules, left, effects);
}

void PartitionCursor::SweepOn(const DeliveryRules& rules, size_t* left, Effects* effects) {
  while (!sweeps_.empty()) {
    Sweep& sweep = sweeps_.front();
    const bool nothing_left = sweep.ends_leases() && pending_.counts().leased == 0;
    if (!nothing_left && !pending_.map().empty()) {
      if (left != nullptr && *left == 0) return;
      const Offset end = left == nullptr ? next_ : pending_.EndOf(*left, sweep.at, next_);
      if (sweep.kind == Sweep::Kind::kBlame) Blame(rules, sweep, end, effects);
      const size_t seen = pending_.EditRange(sweep.at, end, [&](Offset start, PendingRange& range) {
        return SweepOver(rules, sweep, start, range, effects);
      });
      if (left != nullptr) *left -= std::min(*left, seen);
      if (end < next_) {
        sweep.begun = true;
        sweep.at = end;
        return;
      }
    }
    effects->more_to_deliver |= sweep.begun;  // Delivery may have waited for the sweep.
    sweeps_.erase(sweeps_.begin());
  }
}

PartitionCursor::Verdict PartitionCursor::SweepOver(const DeliveryRules& rules, const Sweep& sweep,
                                                    Offset start, PendingRange& range,
                                                    Effects* effects) {
  if (sweep.kind == Sweep::Kind::kLimits) return CheckLimits(rules, sweep, start, range, effects);
  if (sweep.kind == Sweep::Kind::kJoin) {
    range.alone = false;
    return Verdict::kKeep;  // The change is not stored.
  }
  if (range.state != RangeState::kLeased || !sweep.consumers.contains(range.consumer)) {
    return Verdict::kKeep;
  }
  if (sweep.kind == Sweep::Kind::kRewind && range.extra) return Verdict::kKeep;
  if (sweep.kind == Sweep::Kind::kFail) {
    Requeue(rules, start, range, false, 0, 0, sweep.why.view(), effects);
    return Verdict::kChanged;
  }
  if (sweep.kind == Sweep::Kind::kBlame && !range.extra && rules.max_attempts > 0) {
    suspects_end_ = std::max(suspects_end_, start + range.count);
  }
  TakeBack(start, range, effects);
  return Verdict::kChanged;
}

void PartitionCursor::Fail(const DeliveryRules& rules, ConsumerId consumer, absl::string_view why,
                           Effects* effects, size_t* left) {
  const Sweep::Kind kind = rules.queue ? Sweep::Kind::kFail : Sweep::Kind::kBlame;
  Begin(rules, {kind, {consumer}, Reason(why)}, left, effects);
}

void PartitionCursor::Blame(const DeliveryRules& rules, Sweep& sweep, Offset end,
                            Effects* effects) {
  for (const bool extra : {false, true}) {
    bool& blamed = extra ? sweep.extra_blamed : sweep.live_blamed;
    auto first = pending_.At(sweep.at);
    while (!blamed && first != pending_.map().end() && first->first < end.value()) {
      const PendingRange& range = first->second;
      blamed = range.state == RangeState::kLeased && sweep.consumers.contains(range.consumer) &&
               range.extra == extra;
      if (!blamed) {
        ++first;
        continue;
      }
      const Offset event(first->first);
      if (!extra && rules.max_attempts > 0) {
        window_ = std::max<int64_t>(1, pending_.counts().leased_live / 2);
        suspects_end_ = event + 1;
      }
      pending_.EditRange(event, event + 1, [&](Offset start, PendingRange& failed) {
        Requeue(rules, start, failed, false, 0, 0, sweep.why.view(), effects);
        return Verdict::kChanged;
      });
    }
  }
}

void PartitionCursor::Recall(const DeliveryRules& rules, ConsumerId consumer, Effects* effects,
                             size_t* left) {
  Begin(rules, {Sweep::Kind::kRecall, {consumer}, SharedText()}, left, effects);
}

void PartitionCursor::EndIsolation(const DeliveryRules& rules, size_t* left) {
  Effects none;
  Begin(rules, {Sweep::Kind::kJoin, {}, SharedText()}, left, &none);
}

int64_t PartitionCursor::WaitingAlone() const {
  const bool joining =
      absl::c_any_of(sweeps_, [](const Sweep& sweep) { return sweep.kind == Sweep::Kind::kJoin; });
  return joining ? 0 : pending_.counts().alone;
}

void PartitionCursor::Expire(const DeliveryRules& rules, int64_t now, Effects* effects,
                             size_t* left) {
  const size_t most = left == nullptr ? SIZE_MAX : *left;
  const size_t seen = pending_.EditDue(now, most, [&](Offset start, PendingRange& range) {
    if (range.due > now) return Verdict::kKeep;
    if (range.state == RangeState::kLeased) {
      effects->expired += range.count;
      effects->overdue.push_back(range.consumer);
      Requeue(rules, start, range, false, 0, now, "the lease ended without an ack", effects);
    } else if (range.state == RangeState::kDelayed) {
      range.state = RangeState::kReady;
      range.due = 0;
      effects->more_to_deliver = true;
    }
    return Verdict::kChanged;
  });
  if (left != nullptr) *left -= seen;
}

void PartitionCursor::ParkExhausted(const DeliveryRules& rules, bool lowered, absl::string_view why,
                                    Effects* effects, size_t* left) {
  Sweep sweep{Sweep::Kind::kLimits, {}, Reason(why)};
  sweep.lowered = lowered;
  Begin(rules, std::move(sweep), left, effects);
}

PartitionCursor::Verdict PartitionCursor::CheckLimits(const DeliveryRules& rules,
                                                      const Sweep& sweep, Offset start,
                                                      PendingRange& range, Effects* effects) {
  const bool spared =
      sweep.lowered && range.silent && rules.IsLast(range.attempts) && rules.max_attempts > 1;
  if (range.state == RangeState::kLeased) {
    // This delivery is not isolated. If it fails without a nack, the next one is.
    if (spared) range.silent = false;
    return spared ? Verdict::kChanged : Verdict::kKeep;
  }
  if (range.out()) return Verdict::kKeep;
  if (rules.IsLast(range.attempts) && !spared) {
    StartParking(start, range, range.reason.empty() ? sweep.why.view() : "", effects);
    return Verdict::kChanged;
  }
  if (spared) range.attempts = rules.BeforeLast(range.attempts);
  bool changed = spared;
  const bool last_is_next = rules.IsLast(range.attempts + 1U);
  range.alone = range.alone && last_is_next;
  if (range.silent && last_is_next && !range.alone) {
    // Earlier events of its key may not be registered, and must not be overtaken: with
    // ordered_by_key the event is first delivered together with others, and isolated after that.
    range.alone = !rules.ordered_by_key;
    range.silent = range.alone;
    changed |= !range.silent;
  }
  if (range.waits_unknown() && !rules.ordered_by_key) range.state = RangeState::kDelayed;
  return changed ? Verdict::kChanged : Verdict::kKeep;
}

void PartitionCursor::FinishParking(Offset start, uint32_t count, Effects* effects) {
  pending_.EditRange(start, start + count, [&](Offset first, PendingRange& range) {
    if (range.state != RangeState::kParking) return Verdict::kKeep;
    Settle(first, range, effects);
    return Verdict::kChanged;
  });
}

void PartitionCursor::LoseParked(Offset event, Effects* effects) {
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

void PartitionCursor::AbandonParking(Offset start, uint32_t count, int64_t retry_at,
                                     absl::string_view why) {
  pending_.EditRange(start, start + count, [&](Offset first, PendingRange& range) {
    if (range.state != RangeState::kParking) return Verdict::kKeep;
    NoteTrimmable(first);
    range.state = RangeState::kDelayed;
    range.due = retry_at;
    range.reason = Reason(why);
    return Verdict::kChanged;
  });
}

bool PartitionCursor::HasTrimmed(Offset from, Offset to, Effects* effects) const {
  for (auto it = pending_.At(from); it != pending_.map().end() && it->first < to.value(); ++it) {
    ++effects->looked_at;
    if (!it->second.out() && !it->second.redriven) return true;
  }
  return false;
}

void PartitionCursor::RemoveTrimmed(Offset from, Offset to, Effects* effects) {
  std::vector<std::pair<Offset, uint32_t>> removed;
  int64_t lost = 0;
  pending_.EditRange(from, to, [&](Offset first, PendingRange& range) {
    // Leased events can still be settled, and redriven ones have a copy. See HasTrimmed.
    if (range.out() || range.redriven) return Verdict::kKeep;
    if (!range.extra) lost += range.count;
    removed.emplace_back(first, range.count);
    return Verdict::kRemove;
  });
  for (const auto& [first, count] : removed) effects->trimmed.emplace_back(first, first + count);
  // A STREAM may have waited for the retry of a removed event.
  effects->more_to_deliver |= !removed.empty();
  Forget(removed, effects);
  CountLost(lost, effects);
}

void PartitionCursor::CountLost(int64_t events, Effects* effects) {
  if (events == 0) return;
  effects->lost += events;
  lost_ += static_cast<uint64_t>(events);
  dirty_ = true;
}

// Runs on every delivery. Many trimmed events may be redriven, and stay.
void PartitionCursor::DropTrimmed(Effects* effects) {
  const Offset start = log_->start();
  if (trimmed_to_ >= start || seeking()) return;
  const Offset from = std::exchange(trimmed_to_, start);
  if (HasTrimmed(from, start, effects)) RemoveTrimmed(from, start, effects);
  if (next_ >= start) return;
  effects->trimmed.emplace_back(next_, start);
  CountLost(start - next_, effects);
  next_ = start;
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
  CountLost(1, effects);
}

}  // namespace eventhub
