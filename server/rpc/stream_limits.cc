#include "server/rpc/stream_limits.h"

#include "server/core/base/peer_address.h"

namespace eventhub {

std::optional<StreamLimits::Place> StreamLimits::Take(const std::string& peer) {
  return streams_.Take(HostOf(peer), 1);
}

}  // namespace eventhub
