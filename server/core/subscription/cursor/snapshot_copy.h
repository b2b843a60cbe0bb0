// The unsettled events of a cursor at one moment, copied in pieces.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/core/subscription/cursor/pending_ranges.h"
#include "server/core/subscription/records.pb.h"
#include "storage/base/types.h"

namespace eventhub {

// Copies the unsettled live events before `next`, in the order of offsets, while later commits
// settle some of them: those are copied when they are settled (NoteSettled), so the copy is of the
// moment at which it began. Events that are trimmed or filtered out before they are copied are left
// out; attempts may be those of a later moment. Not thread-safe.
class SnapshotCopy {
 public:
  explicit SnapshotCopy(Offset next) : next_(next) {}

  // Examines at most `*left` ranges, and subtracts the number. Returns whether all are copied.
  bool Continue(const PendingRanges& pending, size_t* left);
  // Call before a live, unsettled range is settled.
  void NoteSettled(Offset start, const PendingRange& range);

  // The number of events copied.
  int64_t events() const { return events_; }
  // Takes what was copied since the last call; the ranges are not in order if some were settled.
  stored::SnapshotPartition Take(PartitionId partition);

 private:
  // Adds the part of the range that was not copied.
  void Add(Offset start, const PendingRange& range);

  const Offset next_;
  Offset at_{0};  // Everything before it is copied.
  int64_t events_ = 0;
  stored::SnapshotPartition copied_;
};

}  // namespace eventhub
