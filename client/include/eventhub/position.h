// Places in a topic's log: where to start, where a partition stands, which offsets.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace eventhub::client {

// The position of a partition: the offset of the next event.
struct PartitionOffset {
  uint32_t partition = 0;
  int64_t offset = 0;
  // The run of the event before it, which says of which log the offset is: kept and given back with
  // it, it has the hub refuse a place in another log (ErrorReason::kOtherLog). 0: not known, not
  // checked.
  uint64_t run = 0;

  friend bool operator==(const PartitionOffset&, const PartitionOffset&) = default;
};

// The offsets from `start` to before `end`.
struct OffsetRange {
  int64_t start = 0;
  int64_t end = 0;

  friend bool operator==(const OffsetRange&, const OffsetRange&) = default;
};

// Offsets of one partition.
struct PartitionRange {
  uint32_t partition = 0;
  OffsetRange range{};

  friend bool operator==(const PartitionRange&, const PartitionRange&) = default;
};

// Where to start in a partition.
struct StartPosition {
  enum class Kind { kEarliest, kLatest, kOffset, kTimestamp };

  // The first event that is kept.
  static StartPosition Earliest() { return {}; }
  // Only what comes from now on.
  static StartPosition Latest() { return {.kind = Kind::kLatest}; }
  // This offset, in each partition. Trimmed or beyond the end: OUT_OF_RANGE.
  static StartPosition Offset(int64_t offset) { return {.kind = Kind::kOffset, .offset = offset}; }
  // The first event that the hub appended at this time or later.
  static StartPosition Timestamp(absl::Time time) {
    return {.kind = Kind::kTimestamp, .timestamp = time};
  }

  Kind kind = Kind::kEarliest;
  int64_t offset = 0;
  absl::Time timestamp = absl::InfinitePast();
};

}  // namespace eventhub::client
