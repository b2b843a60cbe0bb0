// TopologyCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/topology_calls.h"
#include "eventhub/v1/topology.grpc.pb.h"

namespace eventhub::client {

// The topology of a hub, through TopologyService. Thread-safe.
class GrpcTopologyCalls final : public TopologyCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcTopologyCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<ApplyResult> ApplyTopology(const Topology& topology, const ApplyOptions& options,
                                            absl::Duration timeout) override;
  absl::StatusOr<Topology> ExportTopology(absl::Duration timeout) override;

 private:
  using Stub = v1::TopologyService::Stub;

  GrpcService<v1::TopologyService> service_;
};

}  // namespace eventhub::client
