// Memory for what the hub makes of requests until they are committed.
#pragma once

#include <cstddef>
#include <utility>

#include "server/core/base/memory_budget.h"

namespace eventhub {

// Counts, against a limit, what requests in flight take besides their received bytes: the copies
// that routes make, the records of delayed events, the identities of a topic that deduplicates.
// These may be many times as large as the request, so they are counted before they are made.
//
// Thread-safe.
class CopyMemory {
 public:
  explicit CopyMemory(size_t limit) : limit_(limit), used_(limit / 2) {}

  class Lease;

  size_t limit() const { return limit_; }
  size_t used() const { return used_.used(); }
  // Is spent from half of the limit on. Streams with such requests are not read until it is free
  // again, so that few requests are refused.
  MemoryBudget& flow() { return used_; }

 private:
  const size_t limit_;
  MemoryBudget used_;
};

// What one request takes, until it ends. Not thread-safe.
class CopyMemory::Lease {
 public:
  Lease() = default;
  // Null: counts nothing, and has no limit.
  explicit Lease(CopyMemory* memory) : memory_(memory) {}
  Lease(Lease&& other) noexcept
      : memory_(other.memory_),
        held_(std::exchange(other.held_, 0)),
        counted_(std::exchange(other.counted_, 0)) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(held_, other.held_);
    std::swap(counted_, other.counted_);
    return *this;
  }
  ~Lease() { Reset(); }

  // Whether a request could hold `bytes` if it were alone; and `bytes` more than it holds.
  bool FitsAlone(size_t bytes) const { return memory_ == nullptr || bytes <= memory_->limit_; }
  bool Fits(size_t bytes) const { return FitsAlone(held_ + bytes); }
  // Holds `bytes` more; false, with nothing changed, if too little is left.
  bool Take(size_t bytes);
  // Likewise, regardless of what is left: for events that were accepted before.
  void ForceTake(size_t bytes);
  // Holds `bytes` less. They stay counted, for the next Take.
  void Drop(size_t bytes) { held_ -= bytes; }
  // Counts only what is held.
  void Trim();
  void Reset();

  size_t held() const { return held_; }

 private:
  CopyMemory* memory_ = nullptr;
  size_t held_ = 0;
  size_t counted_ = 0;  // In `memory_`; at least `held_`.
};

}  // namespace eventhub
