#include "server/rpc/route_service.h"

namespace eventhub {

RouteService::RouteService(Routes& routes, const Calls& calls) : UnaryService(calls) {
  Serve(kSettingsRequest,
        [&routes](const Caller& caller, const v1::CreateRouteRequest& request,
                  Reply<v1::CreateRouteResponse> reply) { routes.Create(caller, request, reply); });
  Serve(kNameRequest, [&routes](const Caller& caller, const v1::GetRouteRequest& request) {
    return routes.Get(caller, request);
  });
  Serve(kNameRequest, [&routes](const Caller& caller, const v1::ListRoutesRequest& request) {
    return routes.List(caller, request);
  });
  Serve(kSettingsRequest,
        [&routes](const Caller& caller, const v1::UpdateRouteRequest& request,
                  Reply<v1::UpdateRouteResponse> reply) { routes.Update(caller, request, reply); });
  Serve(kNameRequest,
        [&routes](const Caller& caller, const v1::DeleteRouteRequest& request,
                  Reply<v1::DeleteRouteResponse> reply) { routes.Delete(caller, request, reply); });
  Serve(kEventRequest, [&routes](const Caller& caller, const v1::TestRoutesRequest& request) {
    return routes.Test(caller, request);
  });
}

}  // namespace eventhub
