// Routes by source, and the graph that they make of topics.
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

// How many routes an event may go through.
inline constexpr int kMaxRouteDepth = 8;

// Whether an event could come to a topic that it was in before, or go through too many routes,
// whatever the filters say and whether or not routes are disabled: FAILED_PRECONDITION with the
// way, e.g. "a -> b -> a".
absl::Status CheckRouteGraph(const std::vector<const v1::Route*>& routes);

// Thread-compatible.
class RouteIndex {
 public:
  using RoutePtr = std::shared_ptr<const CompiledRoute>;
  using ByName = absl::btree_map<std::string, RoutePtr, std::less<>>;
  using FindTopic = absl::FunctionRef<std::shared_ptr<Topic>(const std::string& name)>;

  // Adds a route, or replaces the one of that name.
  void Put(RoutePtr route);
  void Erase(absl::string_view name);

  const ByName& all() const { return by_name_; }
  // Null if there is none.
  RoutePtr Find(absl::string_view name) const;
  std::vector<RoutePtr> From(absl::string_view topic) const;
  std::vector<RoutePtr> To(absl::string_view topic) const;

  // Whether `route` may be there, in place of the one of its name.
  absl::Status Check(const v1::Route& route) const;

  // The topic, and those from which events can come to it.
  absl::btree_set<std::string> UpstreamOf(const std::string& topic) const;

  // The sets of the topics named, by topic; null for one without routes. Topics that are not named
  // have theirs.
  absl::btree_map<std::string, std::shared_ptr<const RouteSet>> BuildSets(
      const absl::btree_set<std::string>& topics, FindTopic find) const;

 private:
  ByName by_name_;
  absl::btree_map<std::string, ByName, std::less<>> by_source_;
};

}  // namespace eventhub
