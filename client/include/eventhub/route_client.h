// Administers routes, and says where an event would go.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/route.h"

namespace eventhub::client {

// The routes of a hub. Thread-safe; every method blocks. As those of AdminClient, calls wait for
// the hub, those that change nothing are made once more, and an error may leave a change in doubt.
// Changes are on the hub's disk (synced) when they are answered. Everywhere: NOT_FOUND if there is
// no such route; INVALID_ARGUMENT names the field.
//
// Example:
//
//     RouteClient routes(Connect("localhost:7070"));
//     auto eu = routes.CreateRoute({.name = "eu",
//                                   .source_topic = "orders",
//                                   .filter = Filter::Prefix({{"subject", "eu/"}}),
//                                   .target_topics = {"orders.eu"}});
class RouteClient {
 public:
  explicit RouteClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Creates a route; returns it with defaults filled in, and from which offsets on it is effective.
  // ALREADY_EXISTS if there is one of that name, whatever its settings; NOT_FOUND if the source
  // does not exist, or a target of a route that does not skip; FAILED_PRECONDITION (kRouteLoop),
  // with the way, if an event could come to a topic that it was in before, or go through more than
  // 8 routes.
  absl::StatusOr<RouteChange> CreateRoute(const Route& route);

  absl::StatusOr<RouteDescription> GetRoute(const std::string& name);

  // All routes by name, or those from or to one topic.
  absl::StatusOr<std::vector<RouteDescription>> ListRoutes(const std::string& topic = "");

  // Changes what `update` sets while events are published; errors as for CreateRoute.
  // INVALID_ARGUMENT if it sets nothing.
  absl::StatusOr<RouteChange> UpdateRoute(const std::string& name, const RouteUpdate& update);

  // What it copied stays. Returns the first offsets that it is not about any more.
  absl::StatusOr<std::vector<PartitionOffset>> DeleteRoute(const std::string& name);

  // Where `event` would go if it were published to `topic` now, and why not elsewhere; as if
  // `pretended` was there, in place of one of its name if there is one. Changes nothing.
  absl::StatusOr<RouteTest> TestRoutes(const std::string& topic, const v1::Event& event,
                                       const std::optional<Route>& pretended = std::nullopt);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
