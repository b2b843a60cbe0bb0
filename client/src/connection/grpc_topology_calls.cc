// The calls of TopologyService.

#include "client/src/admin/topology_proto.h"
#include "client/src/connection/grpc_connection.h"

namespace eventhub::client {

using TopologyStub = v1::TopologyService::Stub;

absl::StatusOr<ApplyResult> GrpcConnection::ApplyTopology(const Topology& topology,
                                                          const ApplyOptions& options,
                                                          absl::Duration timeout) {
  v1::ApplyTopologyRequest request;
  *request.mutable_topology() = topology.proto();
  request.set_dry_run(options.dry_run);
  request.set_prune(options.prune);
  const auto response = Call(topology_, &TopologyStub::ApplyTopology, request, timeout,
                             /*changes_nothing=*/options.dry_run);
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

absl::StatusOr<Topology> GrpcConnection::ExportTopology(absl::Duration timeout) {
  auto response =
      Query(topology_, &TopologyStub::ExportTopology, v1::ExportTopologyRequest(), timeout);
  if (!response.ok()) return response.status();
  return Topology(std::move(*response->mutable_topology()));
}

}  // namespace eventhub::client
