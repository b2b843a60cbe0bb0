// The memory of a consumer's requests at the hub.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "server/core/base/host_shares.h"

namespace eventhub {

// Counts what a consumer has at the hub: requests, from when they are parsed until they are
// settled, and then their answers, until they are made part of a frame. While that is more than its
// part, no further request of the consumer is read; so it exceeds the part by one request at most.
// A small amount is always allowed: whoever is over its part holds something, which ends by itself
// or when the consumer takes its answers.
//
// Thread-safe.
class RequestMemory : public std::enable_shared_from_this<RequestMemory> {
 public:
  class Lease;

  explicit RequestMemory(std::shared_ptr<HostShares::Account> host) : host_(std::move(host)) {}
  RequestMemory(const RequestMemory&) = delete;
  RequestMemory& operator=(const RequestMemory&) = delete;

  // Counts `bytes` until the lease ends.
  Lease Take(size_t bytes);

  size_t used() const { return used_.load(std::memory_order_relaxed); }
  bool spent() const { return used() > std::max(kFree, host_->left() / kPartOfRest); }

 private:
  static constexpr size_t kPartOfRest = 4;
  static constexpr size_t kFree = size_t{8} << 10;

  void Change(size_t before, size_t now) {
    used_.fetch_add(now - before, std::memory_order_relaxed);
    host_->Add(now - before);
  }

  const std::shared_ptr<HostShares::Account> host_;
  std::atomic<size_t> used_{0};
};

class RequestMemory::Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept
      : memory_(std::move(other.memory_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Lease() { Resize(0); }

  // Counts another number of bytes from here on.
  void Resize(size_t bytes) {
    if (memory_ != nullptr) memory_->Change(std::exchange(bytes_, bytes), bytes);
  }

 private:
  friend class RequestMemory;
  explicit Lease(std::shared_ptr<RequestMemory> memory) : memory_(std::move(memory)) {}

  std::shared_ptr<RequestMemory> memory_;
  size_t bytes_ = 0;
};

inline RequestMemory::Lease RequestMemory::Take(size_t bytes) {
  Lease lease(shared_from_this());
  lease.Resize(bytes);
  return lease;
}

}  // namespace eventhub
