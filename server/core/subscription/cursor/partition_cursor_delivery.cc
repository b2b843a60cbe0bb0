// Selects the events that a cursor delivers next, and records deliveries.
#include <algorithm>

#include "server/core/subscription/cursor/partition_cursor.h"

namespace eventhub {

std::optional<Candidate> PartitionCursor::Next(const DeliveryRules& rules, Flow flow) const {
  if (rules.queue) {
    const auto ready = pending_.FirstReady(flow);
    if (flow == Flow::kLive && fresh_turn_ && (!rules.ordered_by_key || all_known_)) {
      if (const std::optional<Candidate> fresh = Fresh(rules); fresh.has_value()) return fresh;
    }
    if (ready != pending_.map().end()) {
      return MayTakeUp(rules, ready) ? std::optional(MakeCandidate(ready)) : std::nullopt;
    }
    return flow == Flow::kLive ? Fresh(rules) : std::nullopt;
  }
  if (flow == Flow::kAlone) return FirstAlone();
  const bool extra = flow == Flow::kExtra;
  if (LastAttemptIsOut(rules, extra)) return std::nullopt;
  std::optional<Candidate> candidate = extra ? FirstExtra() : FirstInOrder(rules);
  // The last attempt is made alone at the consumer.
  if (candidate.has_value() && rules.IsLast(candidate->attempts + 1)) {
    if (CountLeased(extra) > 0) return std::nullopt;
    candidate->end = candidate->start + 1;
  }
  if (!candidate.has_value() || extra) return candidate;
  return candidate->alone ? std::nullopt : Narrow(*candidate);
}

std::optional<Candidate> PartitionCursor::FirstAlone() const {
  if (pending_.counts().alone == 0) return std::nullopt;
  bool live_waits = false;  // A live event precedes all later ones.
  for (auto it = pending_.map().begin(); it != pending_.map().end(); ++it) {
    const PendingRange& range = it->second;
    const bool ready = range.state == RangeState::kReady;
    if (ready && range.alone && (range.extra || !live_waits)) return MakeCandidate(it);
    live_waits |= !range.extra && (ready || range.state == RangeState::kDelayed);
  }
  return std::nullopt;
}

std::optional<Candidate> PartitionCursor::Narrow(Candidate candidate) const {
  if (candidate.start >= suspects_end_) return candidate;
  const int64_t left = window_ - pending_.counts().leased_live;
  if (left <= 0) return std::nullopt;
  if (candidate.end - candidate.start > left) candidate.end = candidate.start + left;
  return candidate;
}

// When many events wait for their keys, another event is registered only if nothing else is in
// flight.
bool PartitionCursor::MayTakeUp(const DeliveryRules& rules,
                                PendingRanges::Map::const_iterator range) const {
  if (!rules.ordered_by_key || keys_ == nullptr || keys_->waiting() < kMaxWaiting) return true;
  return pending_.counts().leased == 0 || keys_->Knows(Offset(range->first));
}

// Live and extra events do not wait for each other: otherwise one flow could block the other.
bool PartitionCursor::LastAttemptIsOut(const DeliveryRules& rules, bool extra) const {
  int64_t leased = rules.max_attempts > 0 ? CountLeased(extra) : 0;
  for (auto it = pending_.map().begin(); leased > 0; ++it) {
    const PendingRange& range = it->second;
    if (range.state != RangeState::kLeased || range.extra != extra) continue;
    if (rules.IsLast(range.attempts)) return true;
    leased -= range.count;
  }
  return false;
}

int64_t PartitionCursor::CountLeased(bool extra) const {
  const PendingRanges::Counts& counts = pending_.counts();
  return extra ? counts.leased - counts.leased_live : counts.leased_live;
}

std::optional<Candidate> PartitionCursor::FirstExtra() const {
  const auto ready = pending_.FirstReady(Flow::kExtra);
  if (ready == pending_.map().end()) return std::nullopt;
  return MakeCandidate(ready);
}

std::optional<Candidate> PartitionCursor::FirstInOrder(const DeliveryRules& rules) const {
  if (pending_.counts().delayed == 0 && pending_.counts().alone == 0) {
    // Without a scan of all leases.
    const auto ready = pending_.FirstReady(Flow::kLive);
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
  candidate.redelivered = it->second.delivered;
  candidate.extra = it->second.extra;
  candidate.alone = it->second.alone;
  if (candidate.alone) candidate.end = start + 1;
  if (it->second.redriven) candidate.redriven_from = redriven_->at(it->first);
  return candidate;
}

bool PartitionCursor::AdmitKey(Offset event, uint64_t key) {
  return keys().Admit(event, key) && !WaitsForRetry(event);
}

bool PartitionCursor::WaitsForRetry(Offset event) const {
  const auto range = pending_.At(event);
  const bool pending = range != pending_.map().end() && range->first <= event.value();
  return pending && range->second.waits_unknown();
}

void PartitionCursor::NoteTakenUp(const Candidate& candidate) {
  if (candidate.extra || candidate.alone) return;
  fresh_turn_ = !candidate.fresh;
  all_known_ |= candidate.fresh;
}

void PartitionCursor::Lease(const Candidate& candidate, Offset start, uint32_t count,
                            uint32_t event_bytes, ConsumerId consumer, int64_t due) {
  const auto lease = [&](PendingRange& range) {
    range.state = RangeState::kLeased;
    range.attempts = PendingRange::CountableAttempts(candidate.attempts + 1);
    range.consumer = consumer;
    range.event_bytes = event_bytes;
    range.stamp = epoch_;
    range.due = due;
    range.delivered = true;
  };
  NoteTakenUp(candidate);
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
  NoteTakenUp(candidate);
  if (candidate.fresh) {
    PendingRange range;
    range.state = RangeState::kBlocked;
    pending_.Add(event, 1, range);
    next_ = event + 1;
    dirty_ = true;
    return;
  }
  pending_.EditRange(event, event + 1, [](Offset, PendingRange& range) {
    range.state = range.waits_unknown() ? RangeState::kDelayed : RangeState::kBlocked;
    return Verdict::kChanged;
  });
}

bool PartitionCursor::Pass(const Candidate& candidate, Offset from, Offset to) {
  NoteTakenUp(candidate);
  if (candidate.fresh) {
    next_ = to;
    passed_ = true;
    return false;
  }
  std::vector<std::pair<Offset, uint32_t>> known;  // Known to the order of keys.
  pending_.EditRange(from, to, [&](Offset start, PendingRange& range) {
    if (keys_ != nullptr) known.emplace_back(start, range.count);
    return Verdict::kRemove;
  });
  Effects effects;
  Forget(known, &effects);
  return effects.more_to_deliver;
}

}  // namespace eventhub
