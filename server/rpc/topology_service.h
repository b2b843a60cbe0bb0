// TopologyService: passes generated messages to and from core; parses topologies, which may be
// large, one after another.
#pragma once

#include "eventhub/v1/topology.grpc.pb.h"
#include "server/core/base/memory_meter.h"
#include "server/core/topology/topologies.h"
#include "server/rpc/calls.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object.
class TopologyService final
    : public v1::TopologyService::WithRawCallbackMethod_ApplyTopology<
          v1::TopologyService::WithCallbackMethod_ExportTopology<v1::TopologyService::Service>> {
 public:
  TopologyService(Topologies& topologies, const Calls& calls);

  grpc::ServerUnaryReactor* ApplyTopology(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ExportTopology(grpc::CallbackServerContext* context,
                                           const v1::ExportTopologyRequest* request,
                                           v1::ExportTopologyResponse* response) override;

 private:
  Topologies& topologies_;
  const Calls& calls_;
  // The fields of parsed topologies, which take some hundred bytes each.
  MemoryMeter fields_;
};

}  // namespace eventhub
