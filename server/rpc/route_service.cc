#include "server/rpc/route_service.h"

namespace eventhub {

grpc::ServerUnaryReactor* RouteService::CreateRoute(grpc::CallbackServerContext* context,
                                                    const v1::CreateRouteRequest* request,
                                                    v1::CreateRouteResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    routes_.Create(caller, *request, FinishLater(reactor, response));
  });
}

grpc::ServerUnaryReactor* RouteService::GetRoute(grpc::CallbackServerContext* context,
                                                 const v1::GetRouteRequest* request,
                                                 v1::GetRouteResponse* response) {
  return calls_.Answer(context, response,
                       [&](const Caller& caller) { return routes_.Get(caller, *request); });
}

grpc::ServerUnaryReactor* RouteService::ListRoutes(grpc::CallbackServerContext* context,
                                                   const v1::ListRoutesRequest* request,
                                                   v1::ListRoutesResponse* response) {
  return calls_.Answer(context, response,
                       [&](const Caller& caller) { return routes_.List(caller, *request); });
}

grpc::ServerUnaryReactor* RouteService::UpdateRoute(grpc::CallbackServerContext* context,
                                                    const v1::UpdateRouteRequest* request,
                                                    v1::UpdateRouteResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    routes_.Update(caller, *request, FinishLater(reactor, response));
  });
}

grpc::ServerUnaryReactor* RouteService::DeleteRoute(grpc::CallbackServerContext* context,
                                                    const v1::DeleteRouteRequest* request,
                                                    v1::DeleteRouteResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    routes_.Delete(caller, *request, FinishLater(reactor, response));
  });
}

grpc::ServerUnaryReactor* RouteService::TestRoutes(grpc::CallbackServerContext* context,
                                                   const v1::TestRoutesRequest* request,
                                                   v1::TestRoutesResponse* response) {
  return calls_.Answer(context, response,
                       [&](const Caller& caller) { return routes_.Test(caller, *request); });
}

}  // namespace eventhub
