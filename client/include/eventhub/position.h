// Positions in a topic's log: start positions, offsets and ranges of offsets.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace eventhub::client {

// A position in a partition: the offset of the next event.
struct PartitionOffset {
  uint32_t partition = 0;
  int64_t offset = 0;
  // The run of the event before the offset, which identifies the log that the offset belongs to.
  // Store it and pass it back with the offset: the hub then refuses a position in another log
  // (ErrorReason::kOtherLog). 0: unknown, not checked.
  uint64_t run = 0;

  friend bool operator==(const PartitionOffset&, const PartitionOffset&) = default;
};

// The offsets in [start, end).
struct OffsetRange {
  int64_t start = 0;
  int64_t end = 0;

  friend bool operator==(const OffsetRange&, const OffsetRange&) = default;
};

// A range of offsets in one partition.
struct PartitionRange {
  uint32_t partition = 0;
  OffsetRange range{};

  friend bool operator==(const PartitionRange&, const PartitionRange&) = default;
};

// Where to start in each partition.
struct StartPosition {
  enum class Kind { kEarliest, kLatest, kOffset, kTimestamp, kRetained };

  // At the first event. Readers begin with the topic's history if the hub's lake has it; everything
  // else begins at the first event that the hub retains.
  static StartPosition Earliest() { return {}; }
  // At the first event that the hub retains: nothing is read from its lake.
  static StartPosition Retained() { return {.kind = Kind::kRetained}; }
  // At the end: only events appended from now on.
  static StartPosition Latest() { return {.kind = Kind::kLatest}; }
  // At this offset. OUT_OF_RANGE if it is trimmed, for readers also from the history, or beyond the
  // end.
  static StartPosition Offset(int64_t offset) { return {.kind = Kind::kOffset, .offset = offset}; }
  // At the first event that the hub appended at this time or later.
  static StartPosition Timestamp(absl::Time time) {
    return {.kind = Kind::kTimestamp, .timestamp = time};
  }

  Kind kind = Kind::kEarliest;
  int64_t offset = 0;
  absl::Time timestamp = absl::InfinitePast();
};

}  // namespace eventhub::client
