// RouteService: passes messages to and from core's routes.
#pragma once

#include "eventhub/v1/route.grpc.pb.h"
#include "server/core/route/routes.h"
#include "server/rpc/calls.h"
#include "server/rpc/unary_service.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. No method reads the disk.
class RouteService final : public UnaryService<v1::RouteService> {
 public:
  RouteService(Routes& routes, const Calls& calls);
};

}  // namespace eventhub
