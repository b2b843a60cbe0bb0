#include "server/core/subscription/cursor/partition_cursor.h"

#include <algorithm>
#include <utility>

namespace eventhub {
namespace {

using Verdict = PendingRanges::Verdict;

}  // namespace

Offset PartitionCursor::needed() const {
  return seeking() ? std::min(ledger_.needed(), seek_->first()) : ledger_.needed();
}

int64_t PartitionCursor::LagUpTo(Offset end) const {
  return pending().counts().live + std::max<int64_t>(0, end - next());
}

bool PartitionCursor::AnyLiveReady() const {
  const auto none = pending().map().end();
  return pending().FirstReady(Flow::kLive) != none || pending().FirstReady(Flow::kIsolated) != none;
}

bool PartitionCursor::SettlesLive(Offset from, Offset to) const {
  // During a seek, reports show the state before it.
  if (seeking() || pending().counts().settling == 0) return false;
  for (auto it = pending().At(from); it != pending().map().end() && it->first < to.value(); ++it) {
    if (it->second.state == RangeState::kSettling && !it->second.extra) return true;
  }
  return false;
}

bool PartitionCursor::WaitsForRetry(Offset event) const {
  const auto range = pending().At(event);
  const bool is_pending = range != pending().map().end() && range->first <= event.value();
  return is_pending && range->second.waits_unknown();
}

// ---- Settling

void PartitionCursor::EditLeased(ConsumerId consumer, Offset from, Offset to, Refused refused,
                                 Effects* effects, PendingRanges::Edit edit) {
  Offset at = from;  // Offsets before `at` are handled.
  const auto refuse_to = [&](Offset end) {
    if (at < end) refused(at, end);
  };
  effects->looked_at += ledger_.EditRange(from, to, [&](Offset start, PendingRange& range) {
    if (range.state != RangeState::kLeased || range.consumer != consumer) return Verdict::kKeep;
    refuse_to(start);
    at = start + range.count;
    return edit(start, range);
  });
  refuse_to(to);
}

PendingRanges::Map::const_iterator PartitionCursor::LeasedAround(ConsumerId consumer,
                                                                 Offset at) const {
  const auto none = pending().map().end();
  const auto it = pending().At(at);
  if (it == none || it->first >= at.value()) return none;
  const bool leased = it->second.state == RangeState::kLeased && it->second.consumer == consumer;
  return leased ? it : none;
}

PartitionCursor::Part PartitionCursor::MaySettle(bool exact, ConsumerId consumer, Offset from,
                                                 Offset to, size_t more) const {
  if (!pending().full(more)) return {from, to};
  const auto around = LeasedAround(consumer, from);
  if (around == pending().map().end() || around != LeasedAround(consumer, to)) return {from, to};
  // A cumulative ack includes the live events before it.
  const bool splits = exact || around->second.extra;
  return {splits ? to : from, to};
}

PartitionCursor::Part PartitionCursor::MayChange(ConsumerId consumer, Offset from,
                                                 Offset to) const {
  if (!pending().full()) return {from, to};
  const PendingRanges::Map& ranges = pending().map();
  const auto first = LeasedAround(consumer, from);
  if (first != ranges.end()) from = std::min(to, Offset(first->first) + first->second.count);
  const auto last = LeasedAround(consumer, to);
  if (last != ranges.end() && last != ranges.begin()) to = std::max(from, Offset(last->first));
  return {from, to};
}

bool PartitionCursor::IsLeased(const DeliveryRules& rules, bool exact, ConsumerId consumer,
                               Offset from, Offset to) const {
  if (!rules.queue) return owner == consumer && to <= next() && IsOut(exact, from, to);
  Offset at = from;
  for (auto it = pending().At(from); it != pending().map().end() && at < to; ++it) {
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
  auto it = exact ? pending().At(from) : pending().map().begin();
  for (; it != pending().map().end() && it->first < to.value(); ++it) {
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
    ledger_.Settle(start, range, effects);
    return Verdict::kChanged;
  };
  if (exact) {
    EditLeased(consumer, from, to, refused, effects, ack);
  } else {
    // Cumulative, except for extra events, which are acked explicitly.
    const Offset end = std::min(to, next());
    const auto has = [&](const PendingRange& range) {
      return range.state == RangeState::kLeased && range.consumer == consumer;
    };
    effects->looked_at += ledger_.EditRange(all_from, end, [&](Offset start, PendingRange& range) {
      return has(range) && !range.extra ? ack(start, range) : Verdict::kKeep;
    });
    effects->looked_at += ledger_.EditRange(from, end, [&](Offset start, PendingRange& range) {
      if (has(range)) return ack(start, range);
      // Parked events count as acked, but events that were taken back will be redelivered.
      const bool again = !range.extra && range.state != RangeState::kParking &&
                         range.state != RangeState::kSettling;
      if (again) refused(start, start + range.count);
      return Verdict::kKeep;
    });
    if (to > next()) refused(std::max(from, next()), to);
  }
}

void PartitionCursor::Retry(const DeliveryRules& rules, ConsumerId consumer, uint64_t epoch,
                            Offset from, Offset to, absl::FunctionRef<int64_t(uint32_t)> retry_at,
                            int64_t now, const NackReason& reason, Refused refused,
                            Effects* effects, size_t* left) {
  const Offset nacked_to = rules.queue ? to : std::min(to, from + 1);
  bool rewind = false;
  EditLeased(consumer, from, nacked_to, refused, effects, [&](Offset start, PendingRange& range) {
    if (range.stamp != epoch) {
      refused(start, start + range.count);
      return Verdict::kKeep;
    }
    effects->nacked += range.count;
    ledger_.Requeue(rules, start, range, true, retry_at(range.attempts), now, reason, effects);
    rewind |= !range.extra;
    return Verdict::kChanged;
  });
  if (rules.queue || !rewind) return;
  effects->rewound = true;
  // Later events are redelivered after it; their attempts do not count as failed.
  Sweep sweep{Sweep::Kind::kRewind, {consumer}};
  sweep.from = nacked_to;
  Begin(rules, std::move(sweep), left, effects);
}

void PartitionCursor::Park(ConsumerId consumer, Offset from, Offset to, const NackReason& reason,
                           Refused refused, Effects* effects) {
  EditLeased(consumer, from, to, refused, effects, [&](Offset start, PendingRange& range) {
    effects->nacked += range.count;
    EventLedger::Release(range, effects);
    ledger_.StartParking(start, range, reason, effects);
    return Verdict::kChanged;
  });
}

void PartitionCursor::Skip(ConsumerId consumer, Offset from, Offset to, Refused refused,
                           Effects* effects) {
  EditLeased(consumer, from, to, refused, effects, [&](Offset start, PendingRange& range) {
    effects->nacked += range.count;
    effects->skipped += range.count;
    ledger_.Settle(start, range, effects);
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

// ---- Ends of leases

void PartitionCursor::Begin(const DeliveryRules& rules, Sweep sweep, size_t* left,
                            Effects* effects) {
  sweeps_.Add(std::move(sweep), rules.queue);
  ContinueSweep(rules, left, effects);
}

void PartitionCursor::Fail(const DeliveryRules& rules, ConsumerId consumer, absl::string_view why,
                           Effects* effects, size_t* left) {
  const Sweep::Kind kind = rules.queue ? Sweep::Kind::kFail : Sweep::Kind::kBlame;
  Begin(rules, {kind, {consumer}, SharedText(why)}, left, effects);
}

void PartitionCursor::Recall(const DeliveryRules& rules, ConsumerId consumer, Effects* effects,
                             size_t* left) {
  Begin(rules, {Sweep::Kind::kRecall, {consumer}}, left, effects);
}

void PartitionCursor::EndIsolation(const DeliveryRules& rules, size_t* left) {
  Effects none;
  Begin(rules, {Sweep::Kind::kJoin}, left, &none);
}

int64_t PartitionCursor::WaitingIsolated() const {
  return sweeps_.joining() ? 0 : pending().counts().alone;
}

void PartitionCursor::Expire(const DeliveryRules& rules, int64_t now, Effects* effects,
                             size_t* left) {
  const size_t most = left == nullptr ? SIZE_MAX : *left;
  const size_t seen = ledger_.EditDue(now, most, [&](Offset start, PendingRange& range) {
    if (range.due > now) return Verdict::kKeep;
    if (range.state == RangeState::kLeased) {
      effects->expired += range.count;
      effects->overdue.push_back(range.consumer);
      ledger_.Requeue(rules, start, range, false, 0, now, "the lease ended without an ack",
                      effects);
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
  Sweep sweep{Sweep::Kind::kLimits, {}, SharedText(why)};
  sweep.lowered = lowered;
  Begin(rules, std::move(sweep), left, effects);
}

// ---- Moving

void PartitionCursor::BeginSeek(Offset next, std::vector<UnsettledRange> unsettled) {
  const Offset log_start = log().start();
  seek_ = std::make_unique<CursorSeek>(SeekTarget(next, std::move(unsettled), log_start));
  ledger_.ForgetKeys();
  ledger_.SetTrimmedTo(log_start);
  candidates_.Reset();
}

bool PartitionCursor::ContinueSeek(const DeliveryRules& rules, size_t* left, Effects* effects) {
  if (!seek_->Continue(ledger_, rules, left, effects)) return false;
  sweeps_.Restart();
  ledger_.MoveTo(next());
  seek_.reset();
  return true;
}

void PartitionCursor::Seek(const DeliveryRules& rules, Offset to, Effects* effects) {
  size_t all = SIZE_MAX;
  BeginSeek(to, {});
  ContinueSeek(rules, &all, effects);
}

}  // namespace eventhub
