#include "client/src/subscribe/delivery.h"

#include <algorithm>
#include <ranges>

#include "absl/base/macros.h"
#include "client/src/subscribe/lease.h"

namespace eventhub::client {

void Delivery::ForEachRange(size_t first, size_t end,
                            absl::FunctionRef<void(OffsetRange)> visit) const {
  while (first < end) {
    size_t last = first;
    // If the offsets of both ends match the count, there are no gaps in between.
    if (OffsetOf(end - 1) - OffsetOf(first) == static_cast<int64_t>(end - 1 - first)) {
      last = end - 1;
    } else {
      while (last + 1 < end && OffsetOf(last + 1) == OffsetOf(last) + 1) ++last;
    }
    visit({OffsetOf(first), OffsetOf(last) + 1});
    first = last + 1;
  }
}

bool Delivery::expired(absl::Duration now) const { return lease_->queue() && lease_end_ <= now; }

void Delivery::CutTo(size_t index) {
  if (index >= end_) return;
  for (size_t i = std::max(index, finished_to_); i < std::min(end_, finished_flags_.size()); ++i) {
    if (finished_flags_[i]) --finished_beyond_;
  }
  end_ = index;
  finished_to_ = std::min(finished_to_, end_);
}

size_t Delivery::IndexOf(int64_t offset) const {
  const auto indices = std::views::iota(size_t{0}, end_);
  const auto at =
      std::ranges::lower_bound(indices, offset, {}, [&](size_t i) { return OffsetOf(i); });
  return static_cast<size_t>(at - indices.begin());
}

void Delivery::Finish(size_t first, size_t count) {
  ABSL_ASSERT(first >= finished_to_ && first + count <= end_);
  if (first == finished_to_) {
    finished_to_ += count;
  } else {
    finished_flags_.resize(batch_.size());
    for (size_t i = first; i < first + count; ++i) finished_flags_[i] = true;
    finished_beyond_ += count;
  }
  while (finished_beyond_ > 0 && finished_flags_[finished_to_]) {
    ++finished_to_;
    --finished_beyond_;
  }
}

void Delivery::ForEachUnfinished(absl::FunctionRef<void(OffsetRange)> visit) const {
  if (finished_beyond_ == 0) {
    ForEachRange(finished_to_, end_, visit);
    return;
  }
  for (size_t first = finished_to_; first < end_;) {
    size_t end = first;
    while (end < end_ && !finished_flags_[end]) ++end;
    ForEachRange(first, end, visit);
    first = end + 1;
  }
}

}  // namespace eventhub::client
