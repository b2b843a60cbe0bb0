// The position to which a seek moves a cursor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/base/types.h"

namespace eventhub {

// Consecutive unsettled events before a position.
struct UnsettledRange {
  Offset start;
  Offset end;  // Exclusive.
  uint32_t attempts = 0;
  bool silent = false;  // As in PendingRange.
};

// The target of a seek, and how much of it is done; see CursorSeek. Not thread-safe.
class SeekTarget {
 public:
  // Events from `next` on are to be unsettled, and those in `unsettled`, which is in order. Events
  // before `log_start` are trimmed.
  SeekTarget(Offset next, std::vector<UnsettledRange> unsettled, Offset log_start);

  // The new position: trimmed events cannot be delivered, so they are not part of the live flow.
  Offset next() const { return next_; }
  // The first event that is unsettled at the new position.
  Offset first() const { return first_; }
  Offset log_start() const { return log_start_; }

  // Events before it have their new state.
  Offset done_to() const { return done_to_; }
  // Where the next piece ends at the latest if it is to contain at most `limit` ranges of the
  // target.
  Offset EndOfPiece(size_t limit) const;
  // Ends the piece [done_to, end), and appends the ranges of the target in it.
  void EndPiece(Offset end, std::vector<UnsettledRange>* unsettled);

 private:
  const Offset next_;
  const Offset log_start_;
  std::vector<UnsettledRange> unsettled_;
  Offset first_;
  Offset done_to_{0};
  size_t range_ = 0;  // The first range that does not end before `done_to_`.
};

}  // namespace eventhub
