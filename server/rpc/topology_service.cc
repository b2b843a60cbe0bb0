#include "server/rpc/topology_service.h"

namespace eventhub {

grpc::ServerUnaryReactor* TopologyService::ApplyTopology(grpc::CallbackServerContext* context,
                                                         const v1::ApplyTopologyRequest* request,
                                                         v1::ApplyTopologyResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    topologies_.Apply(caller, *request, FinishLater(reactor, response));
  });
}

grpc::ServerUnaryReactor* TopologyService::ExportTopology(grpc::CallbackServerContext* context,
                                                          const v1::ExportTopologyRequest*,
                                                          v1::ExportTopologyResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    topologies_.Export(caller, FinishLater(reactor, response));
  });
}

}  // namespace eventhub
