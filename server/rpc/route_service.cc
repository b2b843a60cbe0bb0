#include "server/rpc/route_service.h"

#include "server/rpc/unary.h"

namespace eventhub {

grpc::ServerUnaryReactor* RouteService::CreateRoute(grpc::CallbackServerContext* context,
                                                    const v1::CreateRouteRequest* request,
                                                    v1::CreateRouteResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  routes_.Create(*request, FinishLater(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* RouteService::GetRoute(grpc::CallbackServerContext* context,
                                                 const v1::GetRouteRequest* request,
                                                 v1::GetRouteResponse* response) {
  return FinishNow(context, routes_.Get(*request), response);
}

grpc::ServerUnaryReactor* RouteService::ListRoutes(grpc::CallbackServerContext* context,
                                                   const v1::ListRoutesRequest* request,
                                                   v1::ListRoutesResponse* response) {
  return FinishNow(context, routes_.List(*request), response);
}

grpc::ServerUnaryReactor* RouteService::UpdateRoute(grpc::CallbackServerContext* context,
                                                    const v1::UpdateRouteRequest* request,
                                                    v1::UpdateRouteResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  routes_.Update(*request, FinishLater(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* RouteService::DeleteRoute(grpc::CallbackServerContext* context,
                                                    const v1::DeleteRouteRequest* request,
                                                    v1::DeleteRouteResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  routes_.Delete(*request, FinishLater(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* RouteService::TestRoutes(grpc::CallbackServerContext* context,
                                                   const v1::TestRoutesRequest* request,
                                                   v1::TestRoutesResponse* response) {
  return FinishNow(context, routes_.Test(*request), response);
}

}  // namespace eventhub
