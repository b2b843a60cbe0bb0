#include "server/core/route/route_index.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

// Follows routes depth first.
class GraphCheck {
 public:
  explicit GraphCheck(const std::vector<const v1::Route*>& routes) {
    for (const v1::Route* route : routes) {
      auto& targets = targets_[route->source_topic()];
      targets.insert(route->target_topics().begin(), route->target_topics().end());
    }
  }

  absl::Status Run() {
    for (const auto& [topic, targets] : targets_) {
      absl::Status status = Visit(topic);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  // The longest path that starts at a topic.
  struct Node {
    bool open = false;
    int depth = 0;
    std::string next;
  };

  absl::Status Visit(const std::string& topic) {
    const auto known = nodes_.find(topic);
    if (known != nodes_.end()) return known->second.open ? Loop(topic) : absl::OkStatus();
    // A topology may contain a chain of any length; stop at the limit.
    if (way_.size() > kMaxRouteDepth) return TooLong(Way(topic));
    nodes_[topic].open = true;
    way_.push_back(topic);
    Node node;
    if (const auto it = targets_.find(topic); it != targets_.end()) {
      for (const std::string& target : it->second) {
        absl::Status status = Visit(target);
        if (!status.ok()) return status;
        const int depth = nodes_[target].depth + 1;
        if (depth > node.depth) node = {false, depth, target};
      }
    }
    way_.pop_back();
    nodes_[topic] = node;
    return node.depth <= kMaxRouteDepth ? absl::OkStatus() : TooLong(LongestFrom(topic));
  }

  absl::Status Loop(const std::string& topic) const {
    std::vector<std::string> way(std::find(way_.begin(), way_.end(), topic), way_.end());
    way.push_back(topic);
    return RouteLoop(absl::StrCat("the routes make a loop: ", absl::StrJoin(way, " -> ")));
  }

  std::vector<std::string> Way(const std::string& topic) const {
    std::vector<std::string> way = way_;
    way.push_back(topic);
    return way;
  }

  std::vector<std::string> LongestFrom(std::string topic) {
    std::vector<std::string> way;
    for (; !topic.empty(); topic = nodes_[topic].next) way.push_back(topic);
    return way;
  }

  static absl::Status TooLong(const std::vector<std::string>& way) {
    return RouteLoop(absl::StrCat("events could go through more than ", kMaxRouteDepth,
                                  " routes: ", absl::StrJoin(way, " -> ")));
  }

  absl::btree_map<std::string, absl::btree_set<std::string>> targets_;
  absl::btree_map<std::string, Node> nodes_;
  std::vector<std::string> way_;
};

}  // namespace

absl::Status CheckRouteGraph(const std::vector<const v1::Route*>& routes) {
  return GraphCheck(routes).Run();
}

void RouteIndex::Put(RoutePtr route) {
  Erase(route->name());
  by_source_[route->settings().source_topic()][route->name()] = route;
  by_name_[route->name()] = std::move(route);
}

void RouteIndex::Erase(absl::string_view name) {
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return;
  const auto source = by_source_.find(it->second->settings().source_topic());
  source->second.erase(it->first);
  if (source->second.empty()) by_source_.erase(source);
  by_name_.erase(it);
}

RouteIndex::RoutePtr RouteIndex::Find(absl::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::vector<RouteIndex::RoutePtr> RouteIndex::From(absl::string_view topic) const {
  std::vector<RoutePtr> routes;
  const auto it = by_source_.find(topic);
  if (it == by_source_.end()) return routes;
  for (const auto& [name, route] : it->second) routes.push_back(route);
  return routes;
}

std::vector<RouteIndex::RoutePtr> RouteIndex::To(absl::string_view topic) const {
  std::vector<RoutePtr> routes;
  for (const auto& [name, route] : by_name_) {
    const auto& targets = route->settings().target_topics();
    if (std::find(targets.begin(), targets.end(), topic) != targets.end()) routes.push_back(route);
  }
  return routes;
}

absl::Status RouteIndex::Check(const v1::Route& route) const {
  std::vector<const v1::Route*> routes = {&route};
  for (const auto& [name, other] : by_name_) {
    if (name != route.name()) routes.push_back(&other->settings());
  }
  return CheckRouteGraph(routes);
}

absl::btree_set<std::string> RouteIndex::UpstreamOf(const std::string& topic) const {
  absl::btree_set<std::string> upstream;
  std::vector<std::string> open = {topic};
  while (!open.empty()) {
    const std::string next = std::move(open.back());
    open.pop_back();
    if (!upstream.insert(next).second) continue;
    for (const RoutePtr& route : To(next)) open.push_back(route->settings().source_topic());
  }
  return upstream;
}

absl::btree_map<std::string, std::shared_ptr<const RouteSet>> RouteIndex::BuildSets(
    const absl::btree_set<std::string>& topics, FindTopic find) const {
  absl::btree_map<std::string, std::shared_ptr<const RouteSet>> sets;
  const std::function<std::shared_ptr<const RouteSet>(const std::string&)> build =
      [&](const std::string& source) -> std::shared_ptr<const RouteSet> {
    if (const auto it = sets.find(source); it != sets.end()) return it->second;
    std::vector<RouteSet::Entry> entries;
    for (const RoutePtr& route : From(source)) {
      RouteSet::Entry entry{route, {}};
      for (const std::string& name : route->settings().target_topics()) {
        std::shared_ptr<Topic> topic = find(name);
        std::shared_ptr<const RouteSet> next;
        if (topic != nullptr) next = topics.contains(name) ? build(name) : topic->view()->routes;
        entry.targets.push_back({name, std::move(topic), std::move(next)});
      }
      entries.push_back(std::move(entry));
    }
    std::shared_ptr<const RouteSet> set;
    if (!entries.empty()) set = std::make_shared<RouteSet>(std::move(entries));
    sets[source] = set;
    return set;
  };
  for (const std::string& topic : topics) build(topic);
  return sets;
}

}  // namespace eventhub
