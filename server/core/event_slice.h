// Cutting record batches between events.
#pragma once

#include "server/core/topic_reader.h"
#include "storage/record_batch.h"

namespace eventhub {

// The events of `batch` from offset `from` to before `to`, cut short to `max_bytes`, but at least
// one.
Delivery SliceBatch(const RecordBatch& batch, PartitionId partition, Offset from, Offset to,
                    size_t max_bytes);

}  // namespace eventhub
