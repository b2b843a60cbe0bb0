// A seek of one cursor, carried out in pieces.
#pragma once

#include <cstddef>
#include <utility>

#include "server/core/subscription/cursor/delivery_rules.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/cursor/event_ledger.h"
#include "server/core/subscription/cursor/seek_target.h"
#include "storage/base/types.h"

namespace eventhub {

// Takes `next` back to the new position, which makes all events from there on live ones that were
// never delivered; then gives the events before it their new state, in order. After each piece
// every event has its old state or its new one, and the ledger can be written. Extra events before
// the new position are kept as such; those that the seek makes unsettled become live, except those
// that exist only as dead letters. Not thread-safe.
class CursorSeek {
 public:
  explicit CursorSeek(SeekTarget target) : target_(std::move(target)) {}

  // The first event that is unsettled at the new position.
  Offset first() const { return target_.first(); }
  // Examines at most `*left` ranges, and as many of the target, and subtracts the number. Returns
  // whether the seek is done.
  bool Continue(EventLedger& ledger, const DeliveryRules& rules, size_t* left, Effects* effects) {
    return TakeNextBack(ledger, left, effects) && ReplaceRanges(ledger, rules, left, effects);
  }

 private:
  // From the end backwards: stored ranges must lie before the stored position.
  bool TakeNextBack(EventLedger& ledger, size_t* left, Effects* effects);
  bool ReplaceRanges(EventLedger& ledger, const DeliveryRules& rules, size_t* left,
                     Effects* effects);

  SeekTarget target_;
};

}  // namespace eventhub
