// Changes of cursors that may take several commits, and their progress.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/cursor/seek_target.h"
#include "server/core/subscription/records.pb.h"
#include "storage/base/types.h"

namespace eventhub {

struct PartitionRange {
  PartitionId partition;
  Offset start;
  Offset end;  // Exclusive.
};
using PartitionRanges = std::vector<PartitionRange>;

// The new position of a partition, with the unsettled ranges before it, in order.
struct SeekPlace {
  PartitionId partition;
  Offset next;
  bool named = false;     // The request names this offset.
  bool snapshot = false;  // It is that of a snapshot.
  std::vector<UnsettledRange> unsettled = {};
};

// A seek; it may take several commits. Each partition moves when its part is done: until that
// commit is visible, nothing is delivered from it, and its old state is reported.
struct SeekWork {
  bool begun() const { return place > 0 || in_place; }
  bool done() const { return place == places.size(); }

  std::vector<SeekPlace> places;
  size_t place = 0;       // The next one.
  bool in_place = false;  // Whether it is begun.
  std::vector<v1::PartitionMove> moves;
};

// Work on ranges of partitions; it may take several commits.
struct RangeWork {
  bool done() const { return range == ranges.size(); }

  PartitionRanges ranges;
  size_t range = 0;  // The next range.
  Offset from{0};    // The next offset in it.
  int64_t events = 0;
  std::optional<uint64_t> begun;  // The number of ends of replays when the work began.
};

// A snapshot of the moment of its first commit; it may take several.
struct SnapshotWork {
  bool begun() const { return !next.empty(); }
  bool done() const { return begun() && cursor == next.size(); }
  // The stored::Snapshot, once it is done.
  std::string Encoded() const { return header.SerializeAsString() + partitions; }

  stored::Snapshot header;   // Without partitions.
  std::string partitions;    // Encoded. A partition may have several entries.
  std::vector<Offset> next;  // The positions of the cursors at that moment.
  size_t cursor = 0;         // The next cursor to copy.
};

}  // namespace eventhub
