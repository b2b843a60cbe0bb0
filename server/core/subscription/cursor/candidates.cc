#include "server/core/subscription/cursor/candidates.h"

#include <algorithm>
#include <utility>

namespace eventhub {
namespace {

using Verdict = PendingRanges::Verdict;
using RangePosition = PendingRanges::Map::const_iterator;

int64_t CountLeased(const PendingRanges& pending, bool extra) {
  const PendingRanges::Counts& counts = pending.counts();
  return extra ? counts.leased - counts.leased_live : counts.leased_live;
}

Candidate MakeCandidate(const EventLedger& ledger, RangePosition it) {
  const Offset start(it->first);
  Candidate candidate{start, start + it->second.count, it->second.attempts};
  candidate.redelivered = it->second.delivered;
  candidate.extra = it->second.extra;
  candidate.alone = it->second.alone;
  if (candidate.alone) candidate.end = start + 1;
  if (it->second.redriven) candidate.redriven_from = ledger.PlaceOf(start);
  return candidate;
}

std::optional<Candidate> Fresh(const EventLedger& ledger, const DeliveryRules& rules) {
  const Offset end = ledger.log().end();
  if (ledger.next() >= end || Candidates::Exhausted(ledger, rules)) return std::nullopt;
  Candidate candidate{ledger.next(), end};
  candidate.fresh = true;
  return candidate;
}

// When many events wait for their keys, another event is registered only if nothing else is in
// flight.
bool MayTakeUp(const EventLedger& ledger, const DeliveryRules& rules, RangePosition range) {
  const KeyOrder* const keys = ledger.known_keys();
  if (!rules.ordered_by_key || keys == nullptr || !keys->full(range->second.extra)) return true;
  return ledger.pending().counts().leased == 0 || keys->Knows(Offset(range->first));
}

// When a partition has as many ranges as it may have, a part of a range is delivered only if
// nothing is in flight: otherwise a consumer could take a range event by event, each a range of its
// own. An isolated event is alone at its consumer anyway.
bool MayPart(const PendingRanges& pending, const Candidate& candidate) {
  const bool is_part = !candidate.fresh && !candidate.alone && candidate.end - candidate.start > 1;
  return !is_part || pending.counts().leased == 0 || !pending.full();
}

// STREAM: whether the last attempt of an event is in progress. Live and extra events do not wait
// for each other: otherwise one flow could block the other.
bool LastAttemptIsOut(const PendingRanges& pending, const DeliveryRules& rules, bool extra) {
  if (!rules.IsLast(pending.most_attempts(extra))) return false;  // Without a scan of all leases.
  int64_t leased = CountLeased(pending, extra);
  for (auto it = pending.map().begin(); leased > 0; ++it) {
    const PendingRange& range = it->second;
    if (range.state != RangeState::kLeased || range.extra != extra) continue;
    if (rules.IsLast(range.attempts)) return true;
    leased -= range.count;
  }
  return false;
}

// STREAM: the next event in order to be delivered in isolation.
std::optional<Candidate> FirstAlone(const EventLedger& ledger) {
  const PendingRanges& pending = ledger.pending();
  if (pending.counts().alone == 0) return std::nullopt;
  bool live_waits = false;  // A live event precedes all later ones.
  for (auto it = pending.map().begin(); it != pending.map().end(); ++it) {
    const PendingRange& range = it->second;
    const bool ready = range.state == RangeState::kReady;
    if (ready && range.alone && (range.extra || !live_waits)) return MakeCandidate(ledger, it);
    live_waits |= !range.extra && (ready || range.state == RangeState::kDelayed);
  }
  return std::nullopt;
}

std::optional<Candidate> FirstExtra(const EventLedger& ledger) {
  const auto ready = ledger.pending().FirstReady(Flow::kExtra);
  if (ready == ledger.pending().map().end()) return std::nullopt;
  return MakeCandidate(ledger, ready);
}

// Live events in order: nothing overtakes an event that waits for a retry.
std::optional<Candidate> FirstLive(const EventLedger& ledger, const DeliveryRules& rules) {
  const PendingRanges& pending = ledger.pending();
  if (pending.counts().delayed == 0 && pending.counts().alone == 0) {
    // Without a scan of all leases.
    const auto ready = pending.FirstReady(Flow::kLive);
    return ready == pending.map().end() ? Fresh(ledger, rules) : MakeCandidate(ledger, ready);
  }
  for (auto it = pending.map().begin(); it != pending.map().end(); ++it) {
    if (it->second.extra) continue;
    if (it->second.state == RangeState::kReady) return MakeCandidate(ledger, it);
    if (it->second.state == RangeState::kDelayed) return std::nullopt;
  }
  return Fresh(ledger, rules);
}

}  // namespace

void SuspectWindow::Shrink(Offset first, int64_t in_flight) {
  size_ = std::max<int64_t>(1, in_flight / 2);
  end_ = first + 1;
}

void SuspectWindow::Extend(Offset end) { end_ = std::max(end_, end); }

std::optional<Candidate> SuspectWindow::Narrow(Candidate candidate, int64_t in_flight) const {
  if (!Holds(candidate.start)) return candidate;
  const int64_t left = size_ - in_flight;
  if (left <= 0) return std::nullopt;
  if (candidate.end - candidate.start > left) candidate.end = candidate.start + left;
  return candidate;
}

bool Candidates::Exhausted(const EventLedger& ledger, const DeliveryRules& rules) {
  const PendingRanges& pending = ledger.pending();
  if (pending.full()) return true;
  const KeyOrder* const keys = ledger.known_keys();
  return rules.ordered_by_key && keys != nullptr && keys->full();
}

std::optional<Candidate> Candidates::Next(const EventLedger& ledger, const DeliveryRules& rules,
                                          Flow flow) const {
  std::optional<Candidate> next = Choose(ledger, rules, flow);
  if (next.has_value() && !MayPart(ledger.pending(), *next)) return std::nullopt;
  return next;
}

std::optional<Candidate> Candidates::Choose(const EventLedger& ledger, const DeliveryRules& rules,
                                            Flow flow) const {
  if (!rules.queue) {
    return flow == Flow::kIsolated ? FirstAlone(ledger)
                                   : NextInOrder(ledger, rules, flow == Flow::kExtra);
  }
  const auto ready = ledger.pending().FirstReady(flow);
  if (flow == Flow::kLive && FreshComesNext(rules)) {
    if (const std::optional<Candidate> fresh = Fresh(ledger, rules); fresh.has_value()) {
      return fresh;
    }
  }
  if (ready != ledger.pending().map().end()) {
    return MayTakeUp(ledger, rules, ready) ? std::optional(MakeCandidate(ledger, ready))
                                           : std::nullopt;
  }
  return flow == Flow::kLive ? Fresh(ledger, rules) : std::nullopt;
}

std::optional<Candidate> Candidates::NextInOrder(const EventLedger& ledger,
                                                 const DeliveryRules& rules, bool extra) const {
  const PendingRanges& pending = ledger.pending();
  if (LastAttemptIsOut(pending, rules, extra)) return std::nullopt;
  std::optional<Candidate> candidate = extra ? FirstExtra(ledger) : FirstLive(ledger, rules);
  // The last attempt is made alone at the consumer.
  if (candidate.has_value() && rules.IsLast(candidate->attempts + 1)) {
    if (CountLeased(pending, extra) > 0) return std::nullopt;
    candidate->end = candidate->start + 1;
  }
  if (!candidate.has_value() || extra) return candidate;
  if (candidate->alone) return std::nullopt;
  return suspects_.Narrow(*candidate, pending.counts().leased_live);
}

std::vector<Candidate> Candidates::Following(const EventLedger& ledger, const DeliveryRules& rules,
                                             const Candidate& candidate, size_t limit) const {
  const PendingRanges& pending = ledger.pending();
  const Flow flow = candidate.flow();
  if (candidate.fresh || flow == Flow::kIsolated) return {};
  if (flow == Flow::kLive) {
    // Fresh events take turns with these, or what is in order decides.
    const bool alternate =
        (!rules.ordered_by_key || all_known_) && Fresh(ledger, rules).has_value();
    const PendingRanges::Counts& counts = pending.counts();
    const bool in_order =
        suspects_.Holds(candidate.start) || counts.delayed > 0 || counts.alone > 0;
    if (rules.queue ? alternate : in_order) return {};
  }
  std::vector<Candidate> following;
  for (auto it = pending.NextReady(flow, candidate.start);
       it != pending.map().end() && following.size() < limit;
       it = pending.NextReady(flow, Offset(it->first))) {
    // A STREAM makes last attempts one by one.
    if (!rules.queue && rules.IsLast(it->second.attempts + 1U)) break;
    following.push_back(MakeCandidate(ledger, it));
  }
  return following;
}

void Candidates::NoteTakenUp(const Candidate& candidate) {
  if (candidate.extra || candidate.alone) return;
  fresh_turn_ = !candidate.fresh;
  all_known_ |= candidate.fresh;
}

void Candidates::Deliver(EventLedger& ledger, const Candidate& candidate, Offset start,
                         uint32_t count, const LeaseTerms& terms) {
  NoteTakenUp(candidate);
  const auto lend = [&](PendingRange& range) {
    range.state = RangeState::kLeased;
    range.attempts = PendingRange::CountableAttempts(candidate.attempts + 1);
    range.consumer = terms.consumer;
    range.event_bytes = terms.event_bytes;
    range.stamp = terms.epoch;
    range.due = terms.due;
    range.delivered = true;
  };
  if (candidate.fresh) {
    PendingRange range;
    lend(range);
    ledger.Add(start, count, range);
    ledger.MoveTo(start + count);
    return;
  }
  ledger.EditRange(start, start + count, [&](Offset, PendingRange& range) {
    lend(range);
    return Verdict::kChanged;
  });
}

void Candidates::Block(EventLedger& ledger, const Candidate& candidate, Offset event) {
  NoteTakenUp(candidate);
  if (candidate.fresh) {
    PendingRange range;
    range.state = RangeState::kBlocked;
    ledger.Add(event, 1, range);
    ledger.MoveTo(event + 1);
    return;
  }
  ledger.EditRange(event, event + 1, [](Offset, PendingRange& range) {
    range.state = range.waits_unknown() ? RangeState::kDelayed : RangeState::kBlocked;
    return Verdict::kChanged;
  });
}

bool Candidates::Pass(EventLedger& ledger, const Candidate& candidate, Offset from, Offset to) {
  NoteTakenUp(candidate);
  if (candidate.fresh) {
    ledger.PassTo(to);
    return false;
  }
  EventLedger::Removed known;  // To the order of keys.
  ledger.EditRange(from, to, [&](Offset start, PendingRange& range) {
    if (ledger.known_keys() != nullptr) known.emplace_back(start, range.count);
    return Verdict::kRemove;
  });
  Effects effects;
  ledger.Forget(known, &effects);
  return effects.more_to_deliver;
}

void Candidates::Reset() {
  all_known_ = false;
  suspects_.Clear();
}

}  // namespace eventhub
