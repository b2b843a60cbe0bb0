#include "server/core/subscription/cursor/snapshot_copy.h"

#include <algorithm>
#include <utility>

namespace eventhub {

bool SnapshotCopy::Continue(const PendingRanges& pending, size_t* left) {
  for (auto it = pending.At(at_); it != pending.map().end() && it->first < next_.value(); ++it) {
    if (*left == 0) return false;
    --*left;
    const PendingRange& range = it->second;
    if (!range.extra && range.state != RangeState::kSettling) Add(Offset(it->first), range);
    at_ = Offset(it->first) + range.count;
  }
  at_ = next_;
  return true;
}

void SnapshotCopy::NoteSettled(Offset start, const PendingRange& range) { Add(start, range); }

void SnapshotCopy::Add(Offset start, const PendingRange& range) {
  const Offset from = std::max(start, at_);
  const Offset to = std::min(start + range.count, next_);
  if (from >= to) return;
  copied_.add_starts(from.value());
  copied_.add_counts(static_cast<uint32_t>(to - from));
  // A delivery in flight has not failed.
  const bool out = range.state == RangeState::kLeased;
  copied_.add_attempts(range.attempts - (out ? 1U : 0U));
  copied_.add_silent(range.silent);
  events_ += to - from;
}

stored::SnapshotPartition SnapshotCopy::Take(PartitionId partition) {
  stored::SnapshotPartition taken = std::exchange(copied_, stored::SnapshotPartition());
  taken.set_partition(partition.value());
  taken.set_next_offset(next_.value());
  return taken;
}

}  // namespace eventhub
