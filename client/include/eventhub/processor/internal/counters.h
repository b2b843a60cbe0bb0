// Counters that the strand writes and any thread reads.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "eventhub/processor/status.h"

namespace eventhub::processor::internal {

// Written by one thread at a time, so that it needs no atomic addition.
class Counter {
 public:
  void Add(int64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void Add(absl::Duration amount) { Add(absl::ToInt64Nanoseconds(amount)); }
  void Set(absl::Duration value) {
    value_.store(absl::ToInt64Nanoseconds(value), std::memory_order_relaxed);
  }
  uint64_t count() const { return static_cast<uint64_t>(value_.load(std::memory_order_relaxed)); }
  absl::Duration duration() const {
    return absl::Nanoseconds(value_.load(std::memory_order_relaxed));
  }

 private:
  std::atomic<int64_t> value_ = 0;
};

// See PipelineCounters.
struct Counters {
  Counter events, passed_over, units, compacted, emitted, faults, lost;
  Counter calls, retries, timeouts, circuits, batches, batched_units, batch_room;
  Counter channel_wait, map_time, io_wait, io_time;
  Counter in_flight, waiting, iterator_age;

  PipelineCounters Read() const;
};

}  // namespace eventhub::processor::internal
