#include "storage/tail_cache.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace eventhub {
namespace {

// The batch object, its entries in the queues, and the allocator's slack.
constexpr size_t kBatchOverhead = 320;

size_t CostOf(const RecordBatch& batch) { return batch.header.bytes + kBatchOverhead; }

}  // namespace

bool PartitionTail::Read(Offset from, Offset end, size_t max_bytes,
                         std::vector<RecordBatchPtr>* out) const {
  MutexLock lock(shared_->mutex);
  if (shared_->batches == nullptr) return false;
  const Batches& batches = *shared_->batches;
  if (from < batches.front()->base) return false;
  auto it = std::partition_point(batches.begin(), batches.end(),
                                 [from](const RecordBatchPtr& b) { return b->end() <= from; });
  if (it == batches.end()) return false;
  for (size_t bytes = 0; it != batches.end() && bytes < max_bytes && (*it)->base < end; ++it) {
    bytes += (*it)->header.bytes;
    out->push_back(*it);
  }
  return true;
}

void TailCache::Insert(PartitionTail& tail, RecordBatchPtr batch) {
  PartitionTail::Shared& shared = *tail.shared_;
  const size_t cost = CostOf(*batch);
  const Offset base = batch->base;
  bytes_.fetch_add(cost, std::memory_order_relaxed);  // First: Drop may subtract it at once.
  {
    MutexLock lock(shared.mutex);
    if (shared.batches == nullptr) shared.batches = std::make_unique<PartitionTail::Batches>();
    shared.batches->push_back(std::move(batch));
  }
  MutexLock lock(mutex_);
  queue_.push_back({tail.shared_, base, cost});
  queued_bytes_ += cost;
  Evict(std::numeric_limits<int>::max());
}

void TailCache::SetCapacity(size_t bytes) {
  constexpr int kTurn = 64;  // Small, since commits become visible under the same mutex.
  capacity_.store(bytes, std::memory_order_relaxed);
  for (bool more = true; more;) {
    MutexLock lock(mutex_);
    more = Evict(kTurn);
  }
}

bool TailCache::ExceedsCapacity() const {
  const size_t capacity = capacity_.load(std::memory_order_relaxed);
  return bytes() > capacity || queued_bytes_ / 2 > capacity;
}

bool TailCache::Evict(int batches) {
  for (; ExceedsCapacity() && !queue_.empty(); --batches) {
    if (batches == 0) return true;
    const Entry entry = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= entry.cost;
    RecordBatchPtr victim;  // Freed after the lock is released.
    MutexLock lock(entry.tail->mutex);
    std::unique_ptr<PartitionTail::Batches>& tail = entry.tail->batches;
    if (tail == nullptr || tail->front()->base != entry.base) continue;  // Dropped earlier.
    bytes_.fetch_sub(entry.cost, std::memory_order_relaxed);
    victim = std::move(tail->front());
    tail->pop_front();
    if (tail->empty()) tail.reset();
  }
  return false;
}

void TailCache::Drop(PartitionTail& tail, Offset before) {
  PartitionTail::Batches dropped;  // Freed after the lock is released.
  size_t cost = 0;
  MutexLock lock(tail.shared_->mutex);
  std::unique_ptr<PartitionTail::Batches>& batches = tail.shared_->batches;
  while (batches != nullptr && batches->front()->end() <= before) {
    cost += CostOf(*batches->front());
    dropped.push_back(std::move(batches->front()));
    batches->pop_front();
    if (batches->empty()) batches.reset();
  }
  bytes_.fetch_sub(cost, std::memory_order_relaxed);
}

}  // namespace eventhub
