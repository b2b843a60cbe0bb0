#include "server/rpc/topology_service.h"

#include "server/rpc/unary.h"

namespace eventhub {

grpc::ServerUnaryReactor* TopologyService::ApplyTopology(grpc::CallbackServerContext* context,
                                                         const v1::ApplyTopologyRequest* request,
                                                         v1::ApplyTopologyResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  topologies_.Apply(*request, EndsEarly(context, registry_),
                    FinishLongCall(reactor, response, registry_));
  return reactor;
}

grpc::ServerUnaryReactor* TopologyService::ExportTopology(grpc::CallbackServerContext* context,
                                                          const v1::ExportTopologyRequest*,
                                                          v1::ExportTopologyResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  topologies_.Export(FinishLater(reactor, response));
  return reactor;
}

}  // namespace eventhub
