// The values of TopologyClient: the desired topics, subscriptions, routes and links of a hub. The
// rules are those of eventhub/v1/topology.proto.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/link.h"
#include "eventhub/route.h"
#include "eventhub/subscription.h"
#include "eventhub/topic.h"
#include "eventhub/v1/topology.pb.h"

namespace eventhub::client {

// The desired contents of a hub, in any order. A value; the hub validates it when it is applied.
//
// Example:
//
//     Topology topology;
//     topology.Add(Topic{.name = "orders", .keep_nothing = true})
//         .Add(Topic{.name = "orders.eu", .partitions = 8})
//         .Add(Route{.name = "eu", .source_topic = "orders", .target_topics = {"orders.eu"}});
class Topology {
 public:
  Topology() = default;
  explicit Topology(v1::Topology proto) : proto_(std::move(proto)) {}

  Topology& Add(const Topic& topic);
  Topology& Add(const Subscription& subscription);
  Topology& Add(const Route& route);
  Topology& Add(const Link& link);

  std::vector<Topic> topics() const;
  std::vector<Subscription> subscriptions() const;
  std::vector<Route> routes() const;
  std::vector<Link> links() const;

  const v1::Topology& proto() const { return proto_; }

 private:
  v1::Topology proto_;
};

// How a topology is applied.
struct ApplyOptions {
  // Validate and report what would change, but change nothing.
  bool dry_run = false;
  // Delete everything that the topology does not name; topics with all of their events.
  bool prune = false;
};

// A changed setting.
struct FieldChange {
  std::string path{};       // E.g. `retention.max_age`.
  std::string old_value{};  // As JSON; empty if it was not set.
  std::string new_value{};  // As JSON; empty if it is no longer set.
};

// One change of a hub.
struct TopologyChange {
  enum class Kind { kUnknown = 0, kTopic = 1, kSubscription = 2, kRoute = 3, kLink = 4 };
  enum class Action { kUnknown = 0, kCreate = 1, kUpdate = 2, kDelete = 3 };

  Kind kind = Kind::kUnknown;
  Action action = Action::kUnknown;
  std::string name{};
  // kUpdate: the changed settings; kCreate: the settings that differ from the default.
  std::vector<FieldChange> fields{};
};

// The result of applying a valid topology.
struct ApplyResult {
  // In the order of their application; if `status` is not OK, only the changes that were made.
  std::vector<TopologyChange> changes{};
  // Objects of the hub that are not named, and were left unchanged.
  std::vector<TopologyChange> unnamed{};
  // Why not all changes were made: the hub changed concurrently, or its store failed.
  absl::Status status{};
};

}  // namespace eventhub::client
