// The newest batches of all partitions, in memory: readers near the head are served from here,
// without the disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "storage/base/mutex.h"
#include "storage/base/types.h"
#include "storage/record_batch.h"

namespace eventhub {

// The cached batches of one partition, without a gap up to the end of its visible log. Thread-safe.
class PartitionTail {
 public:
  // Appends to `out` the batches from the one that holds `from` on, until they are `max_bytes` or
  // more or reach `end`. Returns false, and appends nothing, if `from` is not in memory.
  bool Read(Offset from, Offset end, size_t max_bytes, std::vector<RecordBatchPtr>* out) const;

 private:
  friend class TailCache;
  using Batches = std::deque<RecordBatchPtr>;

  // Shared with the cache's eviction queue, which may outlive the partition.
  struct Shared {
    Mutex mutex;
    // Null while nothing is cached: an empty deque is large, and most of many partitions are idle.
    std::unique_ptr<Batches> batches ABSL_GUARDED_BY(mutex);
  };

  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// Bounds the memory of all tails together: the oldest batch of all goes first. Thread-safe; Insert
// is called by the thread that makes commits visible.
class TailCache {
 public:
  explicit TailCache(size_t capacity_bytes) : capacity_(capacity_bytes) {}

  // Holds no more than this from now on. Bytes.
  void SetCapacity(size_t bytes);

  // Adds the next batch of a partition.
  void Insert(PartitionTail& tail, RecordBatchPtr batch);

  // Drops what is cached of a partition whose topic is deleted.
  void Drop(PartitionTail& tail);

  // Bytes of events held, and a fixed estimate of the overhead per batch.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::shared_ptr<PartitionTail::Shared> tail;
    Offset base;
    size_t cost;
  };

  // The oldest, up to a number of batches, while there are too many; whether there still are.
  bool Evict(int batches) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<size_t> capacity_;
  std::atomic<size_t> bytes_{0};
  Mutex mutex_;  // Taken before a PartitionTail's.
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
