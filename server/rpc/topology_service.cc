#include "server/rpc/topology_service.h"

#include <utility>

#include "server/rpc/rpc_status.h"

namespace eventhub {
namespace {

// Ends a call, later, whose outcome is the whole response.
template <typename Response>
ResponseDone<Response> FinishTopologyCall(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<Response> outcome) {
    const grpc::Status status = ToGrpcStatus(outcome.status());
    if (outcome.ok()) *response = *std::move(outcome);
    reactor->Finish(status);
  };
}

}  // namespace

grpc::ServerUnaryReactor* TopologyService::ApplyTopology(grpc::CallbackServerContext* context,
                                                         const v1::ApplyTopologyRequest* request,
                                                         v1::ApplyTopologyResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  topologies_.Apply(
      *request, [context] { return context->IsCancelled(); },
      FinishTopologyCall(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* TopologyService::ExportTopology(grpc::CallbackServerContext* context,
                                                          const v1::ExportTopologyRequest*,
                                                          v1::ExportTopologyResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  topologies_.Export(FinishTopologyCall(reactor, response));
  return reactor;
}

}  // namespace eventhub
