#include "storage/watermark.h"

namespace eventhub {

void Watermark::Advance(int64_t value) {
  // Sequentially consistent with NotifyPast, which announces its waiter before it loads the value.
  // Here the value is stored before the announcement is loaded, so at least one of the two sees the
  // other.
  value_.store(value, std::memory_order_seq_cst);
  if (has_waiters_.load(std::memory_order_seq_cst)) WakeAll();
}

bool Watermark::NotifyPast(int64_t mark, Waiter& waiter) {
  MutexLock lock(mutex_);
  has_waiters_.store(true, std::memory_order_seq_cst);
  if (value_.load(std::memory_order_seq_cst) > mark) {
    has_waiters_.store(head_ != nullptr, std::memory_order_seq_cst);
    return false;
  }
  waiter.prev_ = nullptr;
  waiter.next_ = head_;
  if (head_ != nullptr) head_->prev_ = &waiter;
  head_ = &waiter;
  waiter.registered_ = true;
  return true;
}

bool Watermark::Cancel(Waiter& waiter) {
  MutexLock lock(mutex_);
  if (!waiter.registered_) return false;
  if (waiter.prev_ != nullptr) waiter.prev_->next_ = waiter.next_;
  if (waiter.next_ != nullptr) waiter.next_->prev_ = waiter.prev_;
  if (head_ == &waiter) head_ = waiter.next_;
  waiter.registered_ = false;
  has_waiters_.store(head_ != nullptr, std::memory_order_seq_cst);
  return true;
}

void Watermark::WakeAll() {
  Waiter* waiter;
  {
    MutexLock lock(mutex_);
    waiter = head_;
    head_ = nullptr;
    has_waiters_.store(false, std::memory_order_seq_cst);
    for (Waiter* w = waiter; w != nullptr; w = w->next_) w->registered_ = false;
  }
  while (waiter != nullptr) {
    Waiter* next =
        waiter->next_;  // Read first: Wake() may destroy the waiter or register it again.
    waiter->Wake();
    waiter = next;
  }
}

}  // namespace eventhub
