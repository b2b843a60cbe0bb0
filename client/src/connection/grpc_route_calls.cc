#include "client/src/connection/grpc_route_calls.h"

#include "client/src/admin/route_proto.h"
#include "client/src/read/position_proto.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

std::vector<PartitionOffset> OffsetsFromProto(
    const google::protobuf::RepeatedPtrField<v1::PartitionOffset>& protos) {
  std::vector<PartitionOffset> offsets;
  for (const v1::PartitionOffset& proto : protos) offsets.push_back(FromProto(proto));
  return offsets;
}

}  // namespace

absl::StatusOr<RouteChange> GrpcRouteCalls::CreateRoute(const Route& route,
                                                        absl::Duration timeout) {
  v1::CreateRouteRequest request;
  *request.mutable_route() = ToProto(route);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::CreateRoute, request, timeout));
  return RouteChange{FromProto(response.route()), OffsetsFromProto(response.effective())};
}

absl::StatusOr<RouteDescription> GrpcRouteCalls::GetRoute(const std::string& name,
                                                          absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Query(&Stub::GetRoute, Named<v1::GetRouteRequest>(name), timeout));
  return RouteDescription{FromProto(response.route()), FromProto(response.stats()),
                          OffsetsFromProto(response.effective())};
}

absl::StatusOr<Page<RouteDescription>> GrpcRouteCalls::ListRoutes(const std::string& topic,
                                                                  uint32_t page_size,
                                                                  const std::string& page_token,
                                                                  absl::Duration timeout) {
  v1::ListRoutesRequest request;
  request.set_topic(topic);
  SetPage(page_size, page_token, request);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::ListRoutes, request, timeout));
  Page<RouteDescription> page{.next_page_token = response.next_page_token()};
  for (int i = 0; i < response.routes_size(); ++i) {
    RouteDescription& item = page.items.emplace_back();
    item.route = FromProto(response.routes(i));
    if (i < response.stats_size()) item.stats = FromProto(response.stats(i));
  }
  return page;
}

absl::StatusOr<RouteChange> GrpcRouteCalls::UpdateRoute(const std::string& name,
                                                        const RouteUpdate& update,
                                                        absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Call(&Stub::UpdateRoute, ToProto(name, update), timeout));
  return RouteChange{FromProto(response.route()), OffsetsFromProto(response.effective())};
}

absl::StatusOr<std::vector<PartitionOffset>> GrpcRouteCalls::DeleteRoute(const std::string& name,
                                                                         absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Call(&Stub::DeleteRoute, Named<v1::DeleteRouteRequest>(name), timeout));
  return OffsetsFromProto(response.effective());
}

absl::StatusOr<RouteTest> GrpcRouteCalls::TestRoutes(const std::string& topic,
                                                     const v1::Event& event,
                                                     const std::optional<Route>& pretended,
                                                     absl::Duration timeout) {
  v1::TestRoutesRequest request;
  request.set_topic(topic);
  *request.mutable_event() = event;
  if (pretended) *request.mutable_route() = ToProto(*pretended);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::TestRoutes, request, timeout));
  return FromProto(response);
}

}  // namespace eventhub::client
