// TopologyService: passes generated messages to and from core.
#pragma once

#include "eventhub/v1/topology.grpc.pb.h"
#include "server/core/topology/topologies.h"
#include "server/rpc/calls.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object.
class TopologyService final : public v1::TopologyService::CallbackService {
 public:
  TopologyService(Topologies& topologies, const Calls& calls)
      : topologies_(topologies), calls_(calls) {}

  grpc::ServerUnaryReactor* ApplyTopology(grpc::CallbackServerContext* context,
                                          const v1::ApplyTopologyRequest* request,
                                          v1::ApplyTopologyResponse* response) override;
  grpc::ServerUnaryReactor* ExportTopology(grpc::CallbackServerContext* context,
                                           const v1::ExportTopologyRequest* request,
                                           v1::ExportTopologyResponse* response) override;

 private:
  Topologies& topologies_;
  const Calls& calls_;
};

}  // namespace eventhub
