// The history of topics, as the broker reads it: the events that the lake has, whether or not the
// log still has them.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/archive/archive_target.h"
#include "storage/base/types.h"
#include "storage/record_batch.h"

namespace eventhub {

// The offsets of a partition for which the lake accounts: [begin, end). Not all of them have
// events: compaction removed some, and others were deleted before the lake had them.
struct HistoryBounds {
  Offset begin;
  Offset end;
};

// What to read of a partition. The lake accounts for [from, to), which is not empty.
struct HistoryRange {
  PartitionId partition;
  Offset from;
  Offset to;
  // Whether an event of this type may be wanted. Objects and frames without such types are passed
  // over unread. Null: events of all types are wanted.
  std::function<bool(absl::string_view type)> wants{};
};

// A part of the events of a range.
struct HistoryPart {
  // Ascending and disjoint. They are dense; offsets between two of them have no events, or none
  // that is wanted. The first may begin before the range, and the last may end after it. They may
  // have events that are not wanted, and their `types` and `bytes_before` are not those of the log.
  std::vector<RecordBatchPtr> batches;
  // The events of the range before this offset are in `batches`, or not wanted. After `from`; the
  // range is read when it is `to`.
  Offset next;
};

// Thread-safe. Calls block on the lake, which may be slow: they belong on threads that nobody else
// waits for. What they return takes memory of its own; what is kept between calls, to make the next
// ones fast, is bounded.
//
// UNAVAILABLE (REASON_LAKE_UNAVAILABLE): the lake does not answer; the same call may succeed later.
// DATA_LOSS (REASON_LAKE_DAMAGED): something is damaged or missing there; the message names it.
class History {
 public:
  virtual ~History() = default;

  // Makes calls in progress and later ones fail soon, because the hub is about to end. May be
  // called during other calls.
  virtual void Interrupt() {}

  // Returns what the lake has of the partition: at least up to `upto`, which the lake has confirmed
  // to this hub. Empty, at `upto`, if it has nothing of the partition: it is not the lake in which
  // the hub archived before.
  virtual absl::StatusOr<HistoryBounds> Bounds(const ArchivedTopic& topic, PartitionId partition,
                                               Offset upto) = 0;

  // Returns the next events of the range: about `max_bytes` encoded bytes of them, at least one
  // batch. The work of a call is bounded: it may return without a batch before the end of the
  // range.
  virtual absl::StatusOr<HistoryPart> Read(const ArchivedTopic& topic, const HistoryRange& range,
                                           size_t max_bytes) = 0;

  // Returns the offset of the first event of the range that was appended at `time` or later, or the
  // end of the range. `wants` is of no account.
  virtual absl::StatusOr<Offset> SeekTime(const ArchivedTopic& topic, const HistoryRange& range,
                                          absl::Time time) = 0;
};

}  // namespace eventhub
