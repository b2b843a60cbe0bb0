// The calls of RouteService.

#include "client/src/admin/route_proto.h"
#include "client/src/connection/grpc_connection.h"
#include "client/src/read/position_proto.h"

namespace eventhub::client {
namespace {

using RouteStub = v1::RouteService::Stub;

std::vector<PartitionOffset> OffsetsFromProto(
    const google::protobuf::RepeatedPtrField<v1::PartitionOffset>& protos) {
  std::vector<PartitionOffset> offsets;
  for (const v1::PartitionOffset& proto : protos) offsets.push_back(FromProto(proto));
  return offsets;
}

}  // namespace

absl::StatusOr<RouteChange> GrpcConnection::CreateRoute(const Route& route,
                                                        absl::Duration timeout) {
  v1::CreateRouteRequest request;
  *request.mutable_route() = ToProto(route);
  const auto response = Call(routes_, &RouteStub::CreateRoute, request, timeout);
  if (!response.ok()) return response.status();
  return RouteChange{FromProto(response->route()), OffsetsFromProto(response->effective())};
}

absl::StatusOr<RouteDescription> GrpcConnection::GetRoute(const std::string& name,
                                                          absl::Duration timeout) {
  v1::GetRouteRequest request;
  request.set_name(name);
  const auto response = Query(routes_, &RouteStub::GetRoute, request, timeout);
  if (!response.ok()) return response.status();
  return RouteDescription{FromProto(response->route()), FromProto(response->stats()),
                          OffsetsFromProto(response->effective())};
}

absl::StatusOr<Page<RouteDescription>> GrpcConnection::ListRoutes(const std::string& topic,
                                                                  uint32_t page_size,
                                                                  const std::string& page_token,
                                                                  absl::Duration timeout) {
  v1::ListRoutesRequest request;
  request.set_topic(topic);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  const auto response = Query(routes_, &RouteStub::ListRoutes, request, timeout);
  if (!response.ok()) return response.status();
  Page<RouteDescription> page{.next_page_token = response->next_page_token()};
  for (int i = 0; i < response->routes_size(); ++i) {
    RouteDescription& item = page.items.emplace_back();
    item.route = FromProto(response->routes(i));
    if (i < response->stats_size()) item.stats = FromProto(response->stats(i));
  }
  return page;
}

absl::StatusOr<RouteChange> GrpcConnection::UpdateRoute(const std::string& name,
                                                        const RouteUpdate& update,
                                                        absl::Duration timeout) {
  const auto response = Call(routes_, &RouteStub::UpdateRoute, ToProto(name, update), timeout);
  if (!response.ok()) return response.status();
  return RouteChange{FromProto(response->route()), OffsetsFromProto(response->effective())};
}

absl::StatusOr<std::vector<PartitionOffset>> GrpcConnection::DeleteRoute(const std::string& name,
                                                                         absl::Duration timeout) {
  v1::DeleteRouteRequest request;
  request.set_name(name);
  const auto response = Call(routes_, &RouteStub::DeleteRoute, request, timeout);
  if (!response.ok()) return response.status();
  return OffsetsFromProto(response->effective());
}

absl::StatusOr<RouteTest> GrpcConnection::TestRoutes(const std::string& topic,
                                                     const v1::Event& event,
                                                     const std::optional<Route>& pretended,
                                                     absl::Duration timeout) {
  v1::TestRoutesRequest request;
  request.set_topic(topic);
  *request.mutable_event() = event;
  if (pretended) *request.mutable_route() = ToProto(*pretended);
  const auto response = Query(routes_, &RouteStub::TestRoutes, request, timeout);
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

}  // namespace eventhub::client
