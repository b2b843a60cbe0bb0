#include "server/core/subscription/cursor/sweeps.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"

namespace eventhub {
namespace {

using Verdict = PendingRanges::Verdict;

// Applies a limit of attempts: see PartitionCursor::ParkExhausted.
Verdict CheckLimits(EventLedger& ledger, const DeliveryRules& rules, const Sweep& sweep,
                    Offset start, PendingRange& range, Effects* effects) {
  const bool spared =
      sweep.lowered && range.silent && rules.IsLast(range.attempts) && rules.max_attempts > 1;
  if (range.state == RangeState::kLeased) {
    // This delivery is not isolated. If it fails without a nack, the next one is.
    if (spared) range.silent = false;
    return spared ? Verdict::kChanged : Verdict::kKeep;
  }
  if (range.out()) return Verdict::kKeep;
  if (rules.IsLast(range.attempts) && !spared) {
    ledger.StartParking(start, range, range.reason.empty() ? sweep.why.view() : "", effects);
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

Verdict SweepOver(EventLedger& ledger, SuspectWindow& suspects, const DeliveryRules& rules,
                  const Sweep& sweep, Offset start, PendingRange& range, Effects* effects) {
  if (sweep.kind == Sweep::Kind::kLimits) {
    return CheckLimits(ledger, rules, sweep, start, range, effects);
  }
  if (sweep.kind == Sweep::Kind::kJoin) {
    range.alone = false;
    return Verdict::kKeep;  // The change is not stored.
  }
  if (range.state != RangeState::kLeased || !sweep.consumers.contains(range.consumer)) {
    return Verdict::kKeep;
  }
  if (sweep.kind == Sweep::Kind::kRewind && range.extra) return Verdict::kKeep;
  if (sweep.kind == Sweep::Kind::kFail) {
    ledger.Requeue(rules, start, range, false, 0, 0, sweep.why.view(), effects);
    return Verdict::kChanged;
  }
  if (sweep.kind == Sweep::Kind::kBlame && !range.extra && rules.max_attempts > 0) {
    suspects.Extend(start + range.count);
  }
  ledger.TakeBack(start, range, effects);
  return Verdict::kChanged;
}

// Fails the first event in [from, to) that the consumers may have been processing, live or extra.
// Returns whether there is one.
bool Blame(EventLedger& ledger, SuspectWindow& suspects, const DeliveryRules& rules,
           const Sweep& sweep, bool extra, Offset from, Offset to, Effects* effects) {
  const PendingRanges& pending = ledger.pending();
  for (auto it = pending.At(from); it != pending.map().end() && it->first < to.value(); ++it) {
    const PendingRange& range = it->second;
    const bool in_hand = range.state == RangeState::kLeased &&
                         sweep.consumers.contains(range.consumer) && range.extra == extra;
    if (!in_hand) continue;
    const Offset event(it->first);
    if (!extra && rules.max_attempts > 0) suspects.Shrink(event, pending.counts().leased_live);
    ledger.EditRange(event, event + 1, [&](Offset start, PendingRange& failed) {
      ledger.Requeue(rules, start, failed, false, 0, 0, sweep.why.view(), effects);
      return Verdict::kChanged;
    });
    return true;
  }
  return false;
}

}  // namespace

bool Sweeps::block_deliveries() const {
  return absl::c_any_of(sweeps_, [](const Progress& progress) { return progress.blocks; });
}

bool Sweeps::joining() const {
  return absl::c_any_of(
      sweeps_, [](const Progress& progress) { return progress.sweep.kind == Sweep::Kind::kJoin; });
}

void Sweeps::Add(Sweep sweep, bool queue) {
  // However many consumers leave, one more sweep covers those that the begun sweep does not.
  const bool joins = !sweeps_.empty() && !sweeps_.back().begun &&
                     sweeps_.back().sweep.kind == sweep.kind &&
                     sweeps_.back().sweep.why == sweep.why;
  if (joins) {
    Progress& last = sweeps_.back();
    last.sweep.consumers.merge(sweep.consumers);
    last.sweep.lowered |= sweep.lowered;
    last.at = std::min(last.at, sweep.from);
    return;
  }
  Progress& added = sweeps_.emplace_back();
  added.blocks = sweep.kind == Sweep::Kind::kLimits || (sweep.ends_leases() && !queue);
  added.at = sweep.from;
  added.sweep = std::move(sweep);
}

void Sweeps::Continue(EventLedger& ledger, SuspectWindow& suspects, const DeliveryRules& rules,
                      size_t* left, Effects* effects) {
  while (!sweeps_.empty()) {
    Progress& first = sweeps_.front();
    const Sweep& sweep = first.sweep;
    const PendingRanges& pending = ledger.pending();
    const bool nothing_left = sweep.ends_leases() && pending.counts().leased == 0;
    if (!nothing_left && !pending.map().empty()) {
      if (left != nullptr && *left == 0) return;
      const Offset end =
          left == nullptr ? ledger.next() : pending.EndOf(*left, first.at, ledger.next());
      if (sweep.kind == Sweep::Kind::kBlame) {
        for (const bool extra : {false, true}) {
          bool& blamed = extra ? first.extra_blamed : first.live_blamed;
          blamed = blamed || Blame(ledger, suspects, rules, sweep, extra, first.at, end, effects);
        }
      }
      const size_t seen = ledger.EditRange(first.at, end, [&](Offset start, PendingRange& range) {
        return SweepOver(ledger, suspects, rules, sweep, start, range, effects);
      });
      if (left != nullptr) *left -= std::min(*left, seen);
      if (end < ledger.next()) {
        first.begun = true;
        first.at = end;
        return;
      }
    }
    effects->more_to_deliver |= first.begun;  // Delivery may have waited for the sweep.
    sweeps_.erase(sweeps_.begin());
  }
}

void Sweeps::Restart() {
  std::erase_if(sweeps_, [](const Progress& progress) { return progress.sweep.ends_leases(); });
  for (Progress& progress : sweeps_) progress.at = Offset(0);
}

}  // namespace eventhub
