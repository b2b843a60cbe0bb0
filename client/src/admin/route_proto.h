// Routes, to and from the contract's messages.
#pragma once

#include <string>

#include "eventhub/route.h"
#include "eventhub/v1/route.pb.h"

namespace eventhub::client {

Route FromProto(const v1::Route& proto);
v1::Route ToProto(const Route& route);
// The changed fields and the mask that names them.
v1::UpdateRouteRequest ToProto(const std::string& name, const RouteUpdate& update);
RouteStats FromProto(const v1::RouteStats& proto);
RouteTest FromProto(const v1::TestRoutesResponse& proto);

}  // namespace eventhub::client
