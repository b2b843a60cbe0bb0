#include "server/core/read/frame_budget.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace eventhub {
namespace {

// One frame gets no more than this part of the remaining budget.
constexpr size_t kPartOfRest = 64;

}  // namespace

void FrameBudget::List::Append(Holder& holder) {
  holder.prev_ = last;
  holder.next_ = nullptr;
  (last != nullptr ? last->next_ : first) = &holder;
  last = &holder;
}

void FrameBudget::List::Remove(Holder& holder) {
  (holder.prev_ != nullptr ? holder.prev_->next_ : first) = holder.next_;
  (holder.next_ != nullptr ? holder.next_->prev_ : last) = holder.prev_;
}

size_t FrameBudget::Grantable(size_t wanted) const {
  const size_t left = limit_ - std::min(used(), limit_);
  if (left < kMinFrame) return 0;
  return std::min(wanted, std::max(left / kPartOfRest, kMinFrame));
}

size_t FrameBudget::Suggest(size_t bytes) const {
  return std::max(Grantable(bytes), std::min(bytes, kMinFrame));
}

void FrameBudget::Hold(Holder& holder, size_t bytes, bool sent) {
  holder.state_ = Holder::State::kHolding;
  holder.bytes_ = bytes;
  holder.sent_ = sent;
  holder.since_ = clock_.Monotonic();
  used_.fetch_add(bytes, std::memory_order_relaxed);
  holding_.Append(holder);
}

void FrameBudget::ReleaseHold(Holder& holder) {
  holder.state_ = Holder::State::kIdle;
  holding_.Remove(holder);
  used_.fetch_sub(holder.bytes_, std::memory_order_relaxed);
}

size_t FrameBudget::Take(Holder& holder, size_t bytes) {
  MutexLock lock(mutex_);
  const size_t granted = waiting_.first == nullptr ? Grantable(bytes) : 0;
  if (granted != 0) {
    Hold(holder, granted, /*sent=*/false);
    return granted;
  }
  holder.state_ = Holder::State::kWaiting;
  holder.bytes_ = bytes;
  waiting_.Append(holder);
  return 0;
}

void FrameBudget::Send(Holder& holder, size_t bytes) {
  if (holder.state_ == Holder::State::kIdle && bytes <= kMinFrame) return;
  bool awaited;
  {
    MutexLock lock(mutex_);
    if (holder.state_ == Holder::State::kHolding) ReleaseHold(holder);
    Hold(holder, bytes, /*sent=*/true);
    awaited = waiting_.first != nullptr;
  }
  if (awaited) Serve();
}

void FrameBudget::Return(Holder& holder) {
  if (holder.state_ == Holder::State::kIdle) return;
  bool awaited;
  {
    MutexLock lock(mutex_);
    ReleaseHold(holder);
    awaited = waiting_.first != nullptr;
  }
  if (awaited) Serve();
}

bool FrameBudget::Cancel(Holder& holder) {
  MutexLock lock(mutex_);
  if (holder.state_ != Holder::State::kWaiting) return false;
  holder.state_ = Holder::State::kIdle;
  waiting_.Remove(holder);
  return true;
}

void FrameBudget::Serve() {
  for (;;) {
    Holder* next;
    size_t granted;
    {
      MutexLock lock(mutex_);
      next = waiting_.first;
      if (next == nullptr) return;
      granted = Grantable(next->bytes_);
      if (granted == 0) return;
      waiting_.Remove(*next);
      Hold(*next, granted, /*sent=*/false);
    }
    next->Granted(granted);
  }
}

size_t FrameBudget::EvictStalled(absl::Duration since) {
  std::vector<absl::AnyInvocable<void() &&>> evictions;
  {
    MutexLock lock(mutex_);
    if (waiting_.first == nullptr && used() <= limit_) return 0;
    const absl::Duration now = clock_.Monotonic();
    for (Holder* h = holding_.first; h != nullptr && now - h->since_ >= since; h = h->next_) {
      if (h->sent_) evictions.push_back(h->Eviction());
    }
  }
  for (auto& evict : evictions) std::move(evict)();
  return evictions.size();
}

}  // namespace eventhub
