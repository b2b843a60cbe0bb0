#include "server/core/base/memory_budget.h"

namespace eventhub {

bool MemoryBudget::TryAdd(size_t bytes, size_t most) {
  size_t used = used_.load(std::memory_order_relaxed);
  do {
    if (used > most || bytes > most - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

void MemoryBudget::Release(size_t bytes) {
  const size_t before = used_.fetch_sub(bytes, std::memory_order_seq_cst);
  if (before >= limit_ && before - bytes < limit_) freed_.WakeAll();
}

bool MemoryBudget::NotifyWhenFree(Watermark::Waiter& waiter) {
  if (!spent()) return false;
  if (!freed_.NotifyPast(freed_.value(), waiter)) return false;
  // Memory may have been freed between the check and the registration, without a waiter to wake.
  return spent() || !freed_.Cancel(waiter);
}

}  // namespace eventhub
