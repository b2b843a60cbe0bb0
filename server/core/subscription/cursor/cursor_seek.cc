#include "server/core/subscription/cursor/cursor_seek.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace eventhub {
namespace {

using Verdict = PendingRanges::Verdict;

// Adjusts an extra range that stays.
void KeepExtra(const DeliveryRules& rules, PendingRange& range, Effects* effects) {
  if (range.state == RangeState::kLeased) {
    EventLedger::MakeReady(range);
    effects->more_to_deliver = true;
  } else if (range.state == RangeState::kBlocked ||
             (range.state == RangeState::kDelayed && rules.ordered_by_key)) {
    // Keys are unknown now: see PartitionCursor::ParkExhausted.
    range.state = RangeState::kReady;
  }
}

// Removes the live ranges of [from, to); returns the number of ranges.
size_t RemoveLive(EventLedger& ledger, const DeliveryRules& rules, Offset from, Offset to,
                  Effects* effects) {
  EventLedger::Removed removed;
  const size_t seen = ledger.EditRange(from, to, [&](Offset start, PendingRange& range) {
    EventLedger::Release(range, effects);
    if (range.extra && range.state != RangeState::kSettling) {
      KeepExtra(rules, range, effects);
      return Verdict::kChanged;
    }
    removed.emplace_back(start, range.count);
    return Verdict::kRemove;
  });
  ledger.Forget(removed, effects);
  return seen;
}

// Adds an unsettled live range, except where extra events are kept; if it is trimmed, it is lost.
void AddUnsettled(EventLedger& ledger, const DeliveryRules& rules, const UnsettledRange& added,
                  bool trimmed, Effects* effects) {
  EventLedger::Removed removed;
  ledger.EditRange(added.start, added.end, [&](Offset event, PendingRange& range) {
    const bool only_copy = range.redriven && event < ledger.log().start();
    if (only_copy) return Verdict::kKeep;
    removed.emplace_back(event, range.count);
    return Verdict::kRemove;
  });
  ledger.Forget(removed, effects);
  PendingRange range;
  range.attempts = rules.BeforeLast(added.attempts);  // If the limit is lower now, one remains.
  range.delivered = true;
  range.silent = added.silent && !rules.ordered_by_key;  // See PartitionCursor::ParkExhausted.
  range.alone = range.silent && rules.IsLast(range.attempts + 1U);
  for (const auto& [from, to] : ledger.Gaps(added.start, added.end)) {
    if (trimmed) {
      ledger.Lose(from, to, effects);
    } else {
      ledger.Add(from, to - from, range);
    }
  }
}

}  // namespace

bool CursorSeek::TakeNextBack(EventLedger& ledger, size_t* left, Effects* effects) {
  while (ledger.next() > target_.next()) {
    if (*left == 0) return false;
    const Offset from = ledger.pending().StartOf(*left, target_.next(), ledger.next());
    EventLedger::Removed removed;
    ledger.EditRange(from, ledger.next(), [&](Offset start, PendingRange& range) {
      EventLedger::Release(range, effects);
      removed.emplace_back(start, range.count);
      return Verdict::kRemove;
    });
    ledger.Forget(removed, effects);
    *left -= std::min(*left, removed.size());
    ledger.MoveTo(from);
  }
  return true;
}

bool CursorSeek::ReplaceRanges(EventLedger& ledger, const DeliveryRules& rules, size_t* left,
                               Effects* effects) {
  std::vector<UnsettledRange> unsettled;
  while (target_.done_to() < target_.next()) {
    if (*left == 0) return false;
    const Offset from = target_.done_to();
    const Offset to = ledger.pending().EndOf(*left, from, target_.EndOfPiece(*left));
    const bool trimmed = to <= target_.log_start();
    const size_t removed = RemoveLive(ledger, rules, from, to, effects);
    if (ledger.next() < to) ledger.MoveTo(to);
    unsettled.clear();
    target_.EndPiece(to, &unsettled);
    for (const UnsettledRange& range : unsettled) {
      AddUnsettled(ledger, rules, range, trimmed, effects);
    }
    if (trimmed) ledger.RemoveTrimmed(from, to, effects);
    *left -= std::min(*left, removed + unsettled.size());
  }
  return true;
}

}  // namespace eventhub
