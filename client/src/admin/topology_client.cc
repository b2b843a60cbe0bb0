#include "eventhub/topology_client.h"

#include <utility>

namespace eventhub::client {

TopologyClient::TopologyClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::StatusOr<ApplyResult> TopologyClient::Apply(const Topology& topology,
                                                  const ApplyOptions& options) {
  return connection_->topology().ApplyTopology(topology, options, options_.timeout);
}

absl::StatusOr<Topology> TopologyClient::Export() {
  return connection_->topology().ExportTopology(options_.timeout);
}

}  // namespace eventhub::client
