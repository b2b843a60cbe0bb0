#include "server/core/read/frame_budget.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace eventhub {
namespace {

// One frame gets no more than this part of the remaining budget.
constexpr size_t kPartOfRest = 64;
// At most this part of the bytes that its holder has taken.
constexpr size_t kPartOfTaken = 8;

// Stalled frames hold at most this part of the limit.
constexpr size_t kPartOfStalled = 2;

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

size_t FrameBudget::Earned(const Holder& holder, size_t wanted) {
  return std::min(wanted, std::max(kFirstFrame, holder.taken_ / kPartOfTaken));
}

size_t FrameBudget::Suggest(const Holder& holder, size_t bytes) const {
  return std::max(Grantable(Earned(holder, bytes)), std::min(bytes, kMinFrame));
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
    return Earned(holder, granted);
  }
  holder.state_ = Holder::State::kWaiting;
  holder.bytes_ = bytes;
  waiting_.Append(holder);
  return 0;
}

void FrameBudget::Send(Holder& holder, size_t bytes) {
  holder.sending_ = bytes;
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
  holder.taken_ += std::exchange(holder.sending_, 0);
  if (holder.state_ == Holder::State::kIdle) return;
  bool awaited;
  {
    MutexLock lock(mutex_);
    if (clock_.Monotonic() - holder.since_ >= kSlow) holder.taken_ = 0;
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
    next->Granted(Earned(*next, granted));
  }
}

size_t FrameBudget::EvictStalled(absl::Duration since) {
  std::vector<absl::AnyInvocable<void() &&>> evictions;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    const auto stalled = [&](const Holder* h) { return now - h->since_ >= since; };
    size_t bytes = 0;
    for (const Holder* h = holding_.first; h != nullptr && stalled(h); h = h->next_) {
      if (h->sent_) bytes += h->bytes_;
    }
    const bool short_of = waiting_.first != nullptr || used() > limit_;
    const size_t most = short_of ? 0 : limit_ / kPartOfStalled;
    for (Holder* h = holding_.first; h != nullptr && bytes > most; h = h->next_) {
      if (!h->sent_) continue;
      bytes -= h->bytes_;
      evictions.push_back(h->Eviction());
    }
  }
  for (auto& evict : evictions) std::move(evict)();
  return evictions.size();
}

}  // namespace eventhub
