#include "server/core/base/copy_memory.h"

namespace eventhub {

bool CopyMemory::Lease::Take(size_t bytes) {
  const size_t held = held_ + bytes;
  if (memory_ != nullptr && held > counted_) {
    if (!memory_->used_.TryAdd(held - counted_, memory_->limit_)) return false;
    counted_ = held;
  }
  held_ = held;
  return true;
}

void CopyMemory::Lease::ForceTake(size_t bytes) {
  held_ += bytes;
  if (memory_ == nullptr || held_ <= counted_) return;
  memory_->used_.Add(held_ - counted_);
  counted_ = held_;
}

void CopyMemory::Lease::Trim() {
  if (memory_ != nullptr && counted_ > held_) memory_->used_.Release(counted_ - held_);
  counted_ = memory_ == nullptr ? 0 : held_;
}

void CopyMemory::Lease::Reset() {
  held_ = 0;
  Trim();
}

}  // namespace eventhub
