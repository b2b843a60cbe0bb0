#include "client/src/connection/grpc_topology_calls.h"

#include <utility>

#include "client/src/admin/topology_proto.h"
#include "eventhub/topology.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

absl::StatusOr<ApplyResult> GrpcTopologyCalls::ApplyTopology(const Topology& topology,
                                                             const ApplyOptions& options,
                                                             absl::Duration timeout) {
  v1::ApplyTopologyRequest request;
  *request.mutable_topology() = topology.proto();
  request.set_dry_run(options.dry_run);
  request.set_prune(options.prune);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::ApplyTopology, request, timeout,
                                                      /*changes_nothing=*/options.dry_run));
  return FromProto(response);
}

absl::StatusOr<Topology> GrpcTopologyCalls::ExportTopology(absl::Duration timeout) {
  ASSIGN_OR_RETURN(auto response,
                   service_.Query(&Stub::ExportTopology, v1::ExportTopologyRequest(), timeout));
  return Topology(std::move(*response.mutable_topology()));
}

}  // namespace eventhub::client
