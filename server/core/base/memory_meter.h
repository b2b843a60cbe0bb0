// The total memory of one kind, held in many places, and its limit.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

namespace eventhub {

// Each place asks how much it may hold before it takes more. The answer is a part of the remaining
// memory, so that a few large users leave room for many small ones; a small amount is always
// allowed.
//
// Thread-safe.
class MemoryMeter {
 public:
  explicit MemoryMeter(size_t limit) : limit_(limit) {}
  MemoryMeter(const MemoryMeter&) = delete;
  MemoryMeter& operator=(const MemoryMeter&) = delete;

  class Lease;
  // Counts `bytes` until the lease ends; nullopt if they exceed the remaining memory.
  std::optional<Lease> Take(size_t bytes);
  // Like Take, regardless of the limit: for what exists already.
  Lease ForceTake(size_t bytes);

  void Add(size_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void Release(size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  size_t limit() const { return limit_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }
  size_t left() const { return limit_ - std::min(used(), limit_); }
  // The bytes that one place may hold now.
  size_t Allowance() const { return std::max(left() / kPartOfRest, std::min(limit_, kFree)); }

 private:
  static constexpr size_t kPartOfRest = 4;
  static constexpr size_t kFree = size_t{32} << 10;

  const size_t limit_;
  std::atomic<size_t> used_{0};
};

// Bytes that are counted during its lifetime.
class MemoryMeter::Lease {
 public:
  Lease(Lease&& other) noexcept
      : meter_(std::exchange(other.meter_, nullptr)), bytes_(other.bytes_) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(meter_, other.meter_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Lease() {
    if (meter_ != nullptr) meter_->Release(bytes_);
  }

 private:
  friend class MemoryMeter;
  Lease(MemoryMeter& meter, size_t bytes) : meter_(&meter), bytes_(bytes) {}

  MemoryMeter* meter_;
  size_t bytes_;
};

inline MemoryMeter::Lease MemoryMeter::ForceTake(size_t bytes) {
  Add(bytes);
  return Lease(*this, bytes);
}

inline std::optional<MemoryMeter::Lease> MemoryMeter::Take(size_t bytes) {
  size_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_ - std::min(used, limit_)) return std::nullopt;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return Lease(*this, bytes);
}

}  // namespace eventhub
