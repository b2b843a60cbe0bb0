// TopologyService: passes messages to and from core's topologies.
#pragma once

#include "eventhub/v1/topology.grpc.pb.h"
#include "server/core/topology/topologies.h"
#include "server/rpc/calls.h"
#include "server/rpc/unary_service.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object.
class TopologyService final : public UnaryService<v1::TopologyService> {
 public:
  TopologyService(Topologies& topologies, const Calls& calls);
};

}  // namespace eventhub
