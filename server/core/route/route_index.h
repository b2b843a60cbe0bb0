// Routes by source, and the graph that they form over topics.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/route.pb.h"
#include "server/core/route/route_set.h"

namespace eventhub {

// The maximum number of routes that an event may pass through.
inline constexpr int kMaxRouteDepth = 8;

// Checks that no event could reach a topic twice or pass through too many routes, whatever the
// filters select and even if disabled routes were enabled. FAILED_PRECONDITION names the path, e.g.
// "a -> b -> a".
absl::Status CheckRouteGraph(const std::vector<const v1::Route*>& routes);

// Thread-compatible.
class RouteIndex {
 public:
  using RoutePtr = std::shared_ptr<const CompiledRoute>;
  using ByName = absl::btree_map<std::string, RoutePtr, std::less<>>;
  using FindTopic = absl::FunctionRef<std::shared_ptr<Topic>(const std::string& name)>;

  // Adds a route, or replaces the route with its name.
  void Put(RoutePtr route);
  void Erase(absl::string_view name);

  const ByName& all() const { return by_name_; }
  // Returns null if there is none.
  RoutePtr Find(absl::string_view name) const;
  std::vector<RoutePtr> From(absl::string_view topic) const;
  std::vector<RoutePtr> To(absl::string_view topic) const;

  // Checks that `route` may exist, in place of the route with its name.
  absl::Status Check(const v1::Route& route) const;

  // The topic, and the topics from which events can reach it.
  absl::btree_set<std::string> UpstreamOf(const std::string& topic) const;

  // Builds the route sets of the named topics, by topic; null for a topic without routes. The sets
  // of other topics are current.
  absl::btree_map<std::string, std::shared_ptr<const RouteSet>> BuildSets(
      const absl::btree_set<std::string>& topics, FindTopic find) const;

 private:
  ByName by_name_;
  absl::btree_map<std::string, ByName, std::less<>> by_source_;
};

}  // namespace eventhub
