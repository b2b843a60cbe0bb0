// How many streams may be open at a time, in all and of one host.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "storage/base/mutex.h"

namespace eventhub {

// What one takes, idle: measured, and rounded up.
inline constexpr size_t kStreamBytes = size_t{20} << 10;

// A stream takes memory though nothing flows on it: most of that is gRPC's, and nobody else counts
// it. A host has no more streams than are left for others, so that none of them gets all.
//
// Thread-safe. Outlives the places that it gives.
class StreamLimits {
 public:
  explicit StreamLimits(size_t most) : most_(most) {}

  // Is counted from Take() on until it is destroyed.
  class Place;

  // A place for a stream of a client, by its address as grpc::ServerContext::peer() has it; nullopt
  // if there is none left for its host.
  std::optional<Place> Take(const std::string& peer);

  size_t most() const { return most_; }
  size_t open() const;

 private:
  void Return(const std::string& host);

  const size_t most_;
  mutable Mutex mutex_;
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, size_t> hosts_ ABSL_GUARDED_BY(mutex_);  // That have any.
};

class StreamLimits::Place {
 public:
  Place(Place&& other) noexcept
      : limits_(std::exchange(other.limits_, nullptr)), host_(std::move(other.host_)) {}
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (limits_ != nullptr) limits_->Return(host_);
  }

 private:
  friend class StreamLimits;
  Place(StreamLimits& limits, std::string host) : limits_(&limits), host_(std::move(host)) {}

  StreamLimits* limits_;
  std::string host_;
};

}  // namespace eventhub
