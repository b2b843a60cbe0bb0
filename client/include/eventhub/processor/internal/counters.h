// Counters that the strand writes and any thread reads.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "eventhub/processor/status.h"

namespace eventhub::processor::internal {

// Both are written by one thread at a time, so they need no atomic addition.
class Counter {
 public:
  void Add(int64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t count() const { return static_cast<uint64_t>(value_.load(std::memory_order_relaxed)); }

 private:
  std::atomic<int64_t> value_ = 0;
};

// A floating-point number, because the sum of the ages of a million events of a day exceeds 64 bits
// of nanoseconds.
class TimeCounter {
 public:
  void Add(absl::Duration amount) {
    nanoseconds_.store(nanoseconds_.load(std::memory_order_relaxed) + Nanoseconds(amount),
                       std::memory_order_relaxed);
  }
  void Set(absl::Duration value) {
    nanoseconds_.store(Nanoseconds(value), std::memory_order_relaxed);
  }
  absl::Duration duration() const {
    return absl::Nanoseconds(nanoseconds_.load(std::memory_order_relaxed));
  }

 private:
  // Faster than absl::ToDoubleNanoseconds, which divides.
  static double Nanoseconds(absl::Duration value) {
    return static_cast<double>(absl::ToInt64Nanoseconds(value));
  }

  std::atomic<double> nanoseconds_ = 0;
};

// See PipelineCounters.
struct Counters {
  Counter events, passed_over, units, compacted, emitted, faults, lost;
  Counter calls, retries, timeouts, circuits, batches, batched_units, batch_room;
  Counter completed, expired, late;
  Counter restored, rows, rows_stale, repeats, lookups, cache_hits;
  TimeCounter channel_wait, map_time, io_wait, io_time, iterator_age;
  Counter in_flight, waiting;

  PipelineCounters Read() const;
};

}  // namespace eventhub::processor::internal
