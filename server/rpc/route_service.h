// RouteService: passes generated messages to and from core's routes.
#pragma once

#include "eventhub/v1/route.grpc.pb.h"
#include "server/core/route/routes.h"
#include "server/rpc/calls.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. No method reads the disk.
class RouteService final : public v1::RouteService::CallbackService {
 public:
  RouteService(Routes& routes, const Calls& calls) : routes_(routes), calls_(calls) {}

  grpc::ServerUnaryReactor* CreateRoute(grpc::CallbackServerContext* context,
                                        const v1::CreateRouteRequest* request,
                                        v1::CreateRouteResponse* response) override;
  grpc::ServerUnaryReactor* GetRoute(grpc::CallbackServerContext* context,
                                     const v1::GetRouteRequest* request,
                                     v1::GetRouteResponse* response) override;
  grpc::ServerUnaryReactor* ListRoutes(grpc::CallbackServerContext* context,
                                       const v1::ListRoutesRequest* request,
                                       v1::ListRoutesResponse* response) override;
  grpc::ServerUnaryReactor* UpdateRoute(grpc::CallbackServerContext* context,
                                        const v1::UpdateRouteRequest* request,
                                        v1::UpdateRouteResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRoute(grpc::CallbackServerContext* context,
                                        const v1::DeleteRouteRequest* request,
                                        v1::DeleteRouteResponse* response) override;
  grpc::ServerUnaryReactor* TestRoutes(grpc::CallbackServerContext* context,
                                       const v1::TestRoutesRequest* request,
                                       v1::TestRoutesResponse* response) override;

 private:
  Routes& routes_;
  const Calls& calls_;
};

}  // namespace eventhub
