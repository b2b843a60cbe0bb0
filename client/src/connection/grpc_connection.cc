#include "client/src/connection/grpc_connection.h"

#include <utility>

namespace eventhub::client {

GrpcConnection::GrpcConnection(std::shared_ptr<ChannelPool> channels)
    : caller_(channels->first()),
      latest_(caller_, timer_, channels),
      streams_(std::move(channels)) {}

void GrpcConnection::RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work) {
  timer_.RunAfter(delay, std::move(work));
}

}  // namespace eventhub::client
