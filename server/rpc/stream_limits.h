// Limits the number of open streams, in total and per host.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "storage/base/mutex.h"

namespace eventhub {

// The memory of an idle stream: measured, and rounded up.
inline constexpr size_t kStreamBytes = size_t{20} << 10;

// A stream takes memory even if nothing flows: most of it is gRPC's, and counted nowhere else. A
// host may have at most as many streams as are left for others, so no host can take them all.
//
// Thread-safe. Outlives the places that it returns.
class StreamLimits {
 public:
  explicit StreamLimits(size_t most) : most_(most) {}

  // Counted from Take() until its destruction.
  class Place;

  // Takes a place for a stream of a client, whose address has the form of
  // grpc::ServerContext::peer(); nullopt if none is left for its host.
  std::optional<Place> Take(const std::string& peer);

  size_t most() const { return most_; }
  size_t open() const;

 private:
  void Return(const std::string& host);

  const size_t most_;
  mutable Mutex mutex_;
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;
  // Only hosts with streams.
  absl::flat_hash_map<std::string, size_t> hosts_ ABSL_GUARDED_BY(mutex_);
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
