#include "server/core/frame_budget.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace eventhub {
namespace {

// One frame gets no more than this part of what is left.
constexpr size_t kPartOfRest = 16;

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
  const size_t left = limit_ - std::min(used_, limit_);
  if (left < kMinFrame) return 0;
  return std::min(wanted, std::max(left / kPartOfRest, kMinFrame));
}

void FrameBudget::Hold(Holder& holder, size_t bytes) {
  holder.state_ = Holder::State::kHolding;
  holder.bytes_ = bytes;
  holder.sent_ = false;
  holder.since_ = clock_.Monotonic();
  used_ += bytes;
  holding_.Append(holder);
}

size_t FrameBudget::Take(Holder& holder, size_t bytes) {
  MutexLock lock(mutex_);
  const size_t granted = waiting_.first == nullptr ? Grantable(bytes) : 0;
  if (granted != 0) {
    Hold(holder, granted);
    return granted;
  }
  holder.state_ = Holder::State::kWaiting;
  holder.bytes_ = bytes;
  waiting_.Append(holder);
  return 0;
}

void FrameBudget::Resize(Holder& holder, size_t bytes) {
  bool less;
  {
    MutexLock lock(mutex_);
    less = bytes < holder.bytes_ && waiting_.first != nullptr;
    used_ += bytes;
    used_ -= std::exchange(holder.bytes_, bytes);
    holder.sent_ = true;
    holder.since_ = clock_.Monotonic();
    holding_.Remove(holder);
    holding_.Append(holder);
  }
  if (less) Serve();
}

void FrameBudget::Return(Holder& holder) {
  bool awaited;
  {
    MutexLock lock(mutex_);
    if (holder.state_ != Holder::State::kHolding) return;
    holder.state_ = Holder::State::kIdle;
    holding_.Remove(holder);
    used_ -= holder.bytes_;
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
      Hold(*next, granted);
    }
    next->Granted(granted);
  }
}

size_t FrameBudget::EvictStalled(absl::Duration since) {
  std::vector<absl::AnyInvocable<void() &&>> evictions;
  {
    MutexLock lock(mutex_);
    if (waiting_.first == nullptr) return 0;
    const absl::Duration now = clock_.Monotonic();
    for (Holder* h = holding_.first; h != nullptr && now - h->since_ >= since; h = h->next_) {
      if (h->sent_) evictions.push_back(h->Eviction());
    }
  }
  for (auto& evict : evictions) std::move(evict)();
  return evictions.size();
}

size_t FrameBudget::used() const {
  MutexLock lock(mutex_);
  return used_;
}

}  // namespace eventhub
