// A limit on bytes of requests in flight.
#pragma once

#include <atomic>
#include <cstddef>

#include "storage/watermark.h"

namespace eventhub {

// Counts bytes against a limit. Received bytes are in memory already, so they are always counted
// (Add); readers of connections stop reading while the budget is spent, so the excess is at most
// one request per stream. What is not in memory yet may be refused (TryAdd).
//
// Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit) : limit_(limit) {}

  void Add(size_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  // Returns false, with nothing added, if the sum would exceed `most`.
  bool TryAdd(size_t bytes, size_t most);
  // Likewise, if the budget is spent.
  bool AddUnlessSpent(size_t bytes) { return TryAdd(bytes, limit_ + bytes - 1); }
  void Release(size_t bytes);

  size_t used() const { return used_.load(std::memory_order_relaxed); }
  bool spent() const { return used() >= limit_; }

  // Arranges for waiter.Wake() when the budget is no longer spent. Returns false, with nothing
  // registered, if it is not spent now.
  bool NotifyWhenFree(Watermark::Waiter& waiter);
  bool Cancel(Watermark::Waiter& waiter) { return freed_.Cancel(waiter); }

 private:
  const size_t limit_;
  std::atomic<size_t> used_{0};
  Watermark freed_;
};

}  // namespace eventhub
