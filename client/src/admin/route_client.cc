#include "eventhub/route_client.h"

#include <utility>

#include "client/src/admin/all_pages.h"

namespace eventhub::client {

RouteClient::RouteClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::StatusOr<RouteChange> RouteClient::CreateRoute(const Route& route) {
  return connection_->routes().CreateRoute(route, options_.timeout);
}

absl::StatusOr<RouteDescription> RouteClient::GetRoute(const std::string& name) {
  return connection_->routes().GetRoute(name, options_.timeout);
}

absl::StatusOr<std::vector<RouteDescription>> RouteClient::ListRoutes(const std::string& topic) {
  return AllPages<RouteDescription>([&](const std::string& token) {
    return connection_->routes().ListRoutes(topic, kPageSize, token, options_.timeout);
  });
}

absl::StatusOr<RouteChange> RouteClient::UpdateRoute(const std::string& name,
                                                     const RouteUpdate& update) {
  return connection_->routes().UpdateRoute(name, update, options_.timeout);
}

absl::StatusOr<std::vector<PartitionOffset>> RouteClient::DeleteRoute(const std::string& name) {
  return connection_->routes().DeleteRoute(name, options_.timeout);
}

absl::StatusOr<RouteTest> RouteClient::TestRoutes(const std::string& topic, const v1::Event& event,
                                                  const std::optional<Route>& pretended) {
  return connection_->routes().TestRoutes(topic, event, pretended, options_.timeout);
}

}  // namespace eventhub::client
