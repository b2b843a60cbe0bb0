// The events delivered to readers and consumers: shared, never copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/types.h"

namespace eventhub {

// Events of one partition, in the form in which they are delivered.
struct Delivery {
  PartitionId partition;
  Offset base;
  uint32_t count = 0;
  size_t bytes = 0;
  int64_t append_micros = 0;
  // Relative to `base`, one per event; empty if the offsets are consecutive.
  std::vector<uint32_t> offset_deltas;
  uint32_t attempt = 0;      // Only for consumers of subscriptions.
  uint64_t lease_epoch = 0;  // Likewise.
  bool replayed = false;     // Likewise.
  uint64_t run = 0;          // Only for readers: see storage/run_history.h.
  bool sealed = false;       // The data of some events may be sealed; see erasure/key_ring.h.
  bool redelivered = false;  // Only for consumers of subscriptions.
  // Likewise; the pipelines that a redriven event is for. Null: all.
  std::shared_ptr<const std::vector<std::string>> pipelines;
  absl::InlinedVector<SharedBytes, 1> events;

  // The offset after the last event. Requires at least one event.
  Offset end() const {
    return base + (offset_deltas.empty() ? count : int64_t{offset_deltas.back()} + 1);
  }
};

// A position in a partition: before the event at `offset`.
struct LogPlace {
  PartitionId partition;
  Offset offset;
  uint64_t run = 0;  // The run of the event before `offset`; 0 if there is none.
};

// The content of one response.
struct Frame {
  std::vector<Delivery> deliveries;
  std::vector<LogPlace> start;
  std::vector<LogPlace> passed;
  bool caught_up = false;
  size_t bytes = 0;  // Of the events.
  size_t held = 0;   // Of the batches that contain the events; they stay in memory as a whole.

  bool empty() const { return deliveries.empty() && start.empty() && passed.empty() && !caught_up; }
};

}  // namespace eventhub
