// Administers routes, and reports where an event would go.
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

// The routes of a hub. Thread-safe; every method blocks. Like those of AdminClient, calls wait
// for the hub, calls that change nothing are retried once, and an error may leave the outcome of a
// change unknown. A successful change is durable: synced to the hub's disk. All methods return
// NOT_FOUND if the route does not exist, and INVALID_ARGUMENT, naming the field, if a setting is
// invalid.
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

  // Creates a route; returns it with defaults filled in, and the offsets from which it applies.
  // ALREADY_EXISTS if the name is taken, whatever the settings; NOT_FOUND if the source does not
  // exist, or a target unless the route skips; FAILED_PRECONDITION (kRouteLoop), with the path, if
  // an event could return to a topic, or pass through more than 8 routes.
  absl::StatusOr<RouteChange> CreateRoute(const Route& route);

  absl::StatusOr<RouteDescription> GetRoute(const std::string& name);

  // All routes, or those from or to one topic, by name.
  absl::StatusOr<std::vector<RouteDescription>> ListRoutes(const std::string& topic = "");

  // Changes the fields that `update` sets, also while events are published. Errors as for
  // CreateRoute; INVALID_ARGUMENT if it sets no field.
  absl::StatusOr<RouteChange> UpdateRoute(const std::string& name, const RouteUpdate& update);

  // Deletes a route; its copies stay. Returns the first offsets to which it no longer applies.
  absl::StatusOr<std::vector<PartitionOffset>> DeleteRoute(const std::string& name);

  // Where `event` would go if it were published to `topic` now, and why not elsewhere; as if the
  // route `pretended` existed, replacing the route of its name. Changes nothing.
  absl::StatusOr<RouteTest> TestRoutes(const std::string& topic, const v1::Event& event,
                                       const std::optional<Route>& pretended = std::nullopt);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
