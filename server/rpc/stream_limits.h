// Limits the number of open streams, in total and per host.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "server/core/base/host_shares.h"

namespace eventhub {

// The memory of an idle stream: measured, and rounded up.
inline constexpr size_t kStreamBytes = size_t{20} << 10;

// A stream takes memory even if nothing flows: most of it is gRPC's, and counted nowhere else. A
// host may have at most as many streams as are left for others, so no host can take them all.
//
// Thread-safe. Outlives the places that it returns.
class StreamLimits {
 public:
  explicit StreamLimits(size_t most) : streams_(most) {}

  // Counted from Take() until its destruction.
  using Place = HostShares::Part;

  // Takes a place for a stream of a client, whose address has the form of
  // grpc::ServerContext::peer(); nullopt if none is left for its host.
  std::optional<Place> Take(const std::string& peer);

  size_t most() const { return streams_.limit(); }
  size_t open() const { return streams_.used(); }
  const HostShares& shares() const { return streams_; }

 private:
  HostShares streams_;
};

}  // namespace eventhub
