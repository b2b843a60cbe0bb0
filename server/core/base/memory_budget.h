// A limit on bytes that are held for clients: publish requests that were received and are not yet
// answered.
#pragma once

#include <atomic>
#include <cstddef>

#include "storage/watermark.h"

namespace eventhub {

// Counts bytes against a limit. What was received is in memory already, so it is always counted,
// and whoever reads from a connection stops doing so while the budget is spent: the excess is at
// most one request per stream.
//
// Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit) : limit_(limit) {}

  void Add(size_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void Release(size_t bytes);

  size_t used() const { return used_.load(std::memory_order_relaxed); }
  bool spent() const { return used() >= limit_; }

  // Arranges for waiter.Wake() once the budget is not spent any more; false, with nothing
  // registered, if it is not.
  bool NotifyWhenFree(Watermark::Waiter& waiter);
  bool Cancel(Watermark::Waiter& waiter) { return freed_.Cancel(waiter); }

 private:
  const size_t limit_;
  std::atomic<size_t> used_{0};
  Watermark freed_;
};

}  // namespace eventhub
