// The newest batches of all partitions, in memory: readers near the end of the log are served from
// here, without the disk.
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

// The cached batches of one partition, contiguous up to the end of its visible log. Thread-safe.
class PartitionTail {
 public:
  // Appends to `out` the batches from the one that holds `from`, until their total size reaches
  // `max_bytes` or they reach `end`. Returns false, and appends nothing, if `from` is not cached.
  bool Read(Offset from, Offset end, size_t max_bytes, std::vector<RecordBatchPtr>* out) const;

 private:
  friend class TailCache;
  using Batches = std::deque<RecordBatchPtr>;

  // Shared with the cache's eviction queue, which may outlive the partition.
  struct Shared {
    Mutex mutex;
    // Null while nothing is cached: an empty deque is large, and most partitions are idle.
    std::unique_ptr<Batches> batches ABSL_GUARDED_BY(mutex);
  };

  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// Bounds the total memory of all tails: evicts the oldest batch of all partitions first.
// Thread-safe; Insert must be called by the thread that makes commits visible.
class TailCache {
 public:
  explicit TailCache(size_t capacity_bytes) : capacity_(capacity_bytes) {}

  // Limits the cache to this many bytes from now on.
  void SetCapacity(size_t bytes);

  // Adds the next batch of a partition.
  void Insert(PartitionTail& tail, RecordBatchPtr batch);

  // Drops the cached batches of a partition that end at `before` or earlier.
  void Drop(PartitionTail& tail, Offset before = Offset::Max());

  // The size of the cached events plus a fixed overhead per batch, in bytes.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::shared_ptr<PartitionTail::Shared> tail;
    Offset base;
    size_t cost;
  };

  // Whether batches must be evicted. Entries of batches that were dropped stay in the queue, but
  // not without limit.
  bool ExceedsCapacity() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Evicts up to `batches` of the oldest batches while the cache exceeds its capacity; returns
  // whether it still does.
  bool Evict(int batches) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<size_t> capacity_;
  std::atomic<size_t> bytes_{0};
  Mutex mutex_;  // Acquired before a PartitionTail's.
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the entries in the queue.
};

}  // namespace eventhub
