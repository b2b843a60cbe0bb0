// Cutting record batches between events.
#pragma once

#include <vector>

#include "server/core/topic_reader.h"
#include "storage/record_batch.h"

namespace eventhub {

// Whole events in one piece.
struct EventRun {
  SharedBytes events;
  uint32_t count;
};

// Cuts `count` valid events into runs of at most `max_bytes`, but at least one event. Nothing is
// copied.
std::vector<EventRun> CutIntoRuns(const SharedBytes& events, uint32_t count, size_t max_bytes);

// The events of `batch` from offset `from` to before `to`, cut short to `max_bytes`, but at least
// one.
Delivery SliceBatch(const RecordBatch& batch, PartitionId partition, Offset from, Offset to,
                    size_t max_bytes);

}  // namespace eventhub
