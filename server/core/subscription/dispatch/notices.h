// The notices that a consumer gets besides events.
#pragma once

#include <cstdint>

#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/consumer.h"

namespace eventhub {

// These add a notice to those that are sent with the consumer's next frame; the caller wakes the
// consumer. Guarded by the subscription's mutex.

// Of a partition: its leases under the cursor's epoch ended, begin, or end when `micros` are over.
void NoteRevoked(const PartitionCursor& cursor, Consumer& consumer);
void NoteAssigned(const PartitionCursor& cursor, Consumer& consumer);
void NoteDraining(const PartitionCursor& cursor, int64_t micros, Consumer& consumer);
// The events of a STREAM's partition are redelivered from `to` on.
void NoteRewound(const PartitionCursor& cursor, Offset to, Consumer& consumer);
// The deadline changed. Microseconds; 0: none.
void NoteAckDeadline(int64_t micros, Consumer& consumer);

// Moves the notices into the frame, and as many answers to requests as fit a frame. Returns false
// if there are none.
bool TakeNotices(Consumer& consumer, ConsumeFrame* frame);

}  // namespace eventhub
