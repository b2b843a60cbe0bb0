#include "server/core/subscription/cursor/seek_target.h"

#include <algorithm>
#include <utility>

namespace eventhub {

SeekTarget::SeekTarget(Offset next, std::vector<UnsettledRange> unsettled, Offset log_start)
    : next_(std::max(next, log_start)), log_start_(log_start), unsettled_(std::move(unsettled)) {
  if (next < log_start) unsettled_.push_back({next, log_start});
  first_ = unsettled_.empty() ? next_ : unsettled_.front().start;
}

Offset SeekTarget::EndOfPiece(size_t limit) const {
  Offset end = next_;
  if (unsettled_.size() - range_ > limit) end = std::min(end, unsettled_[range_ + limit].start);
  // A piece is trimmed as a whole, or not at all.
  return done_to_ < log_start_ ? std::min(end, log_start_) : end;
}

void SeekTarget::EndPiece(Offset end, std::vector<UnsettledRange>* unsettled) {
  for (; range_ < unsettled_.size() && unsettled_[range_].start < end; ++range_) {
    UnsettledRange range = unsettled_[range_];
    range.start = std::max(range.start, done_to_);
    if (range.end > end) {
      range.end = end;
      unsettled->push_back(range);
      break;
    }
    unsettled->push_back(range);
  }
  done_to_ = end;
}

}  // namespace eventhub
