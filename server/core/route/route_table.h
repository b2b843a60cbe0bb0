// The routes of the hub.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/route.pb.h"
#include "server/core/base/memory_meter.h"
#include "server/core/route/route_index.h"
#include "server/core/topic/topic_store.h"
#include "storage/base/mutex.h"
#include "storage/commit_builder.h"

namespace eventhub {

// Thread-safe, except the commit-thread members.
class RouteTable {
 public:
  // A route, and the offset in each partition of its source from which on it has been in effect as
  // it is.
  struct Known {
    std::shared_ptr<const CompiledRoute> route;
    std::vector<v1::PartitionOffset> effective;
  };

  // The arguments outlive this object. `filter_memory` accounts for the filters of routes.
  RouteTable(const TopicStore& topics, MemoryMeter& filter_memory)
      : topics_(topics), filter_memory_(filter_memory) {}

  // Reads all routes from the store, after the topics.
  absl::Status Load(const LogStore& store);

  // Compiles a route to be stored; see CompiledRoute::Make. RESOURCE_EXHAUSTED: no memory is left
  // for its filter.
  absl::StatusOr<RouteIndex::RoutePtr> Compile(v1::Route settings,
                                               std::shared_ptr<RouteCounters> counters) const;

  // `route` is null if there is none.
  Known Find(absl::string_view name) const;
  // Returns up to `limit` routes, ordered by name, starting with the first name greater than
  // `after`. If `topic` is not empty, only routes from or to it.
  std::vector<Known> List(absl::string_view after, size_t limit, absl::string_view topic) const;
  size_t size() const;

  // Called after the commit of a change.
  void MakeVisible(Known known);
  void Remove(absl::string_view name);

  // Commit thread only: the state as of the last change submitted.

  const RouteIndex& pending() const { return pending_; }
  const TopicStore& topics() const { return topics_; }
  // Writes the route with the commit; it takes effect at once. The caller has checked that the
  // source exists, that the targets exist unless the route skips, and the graph.
  void Put(std::shared_ptr<const CompiledRoute> route, CommitBuilder& commit);
  void Delete(absl::string_view name, CommitBuilder& commit);
  // Whether the routes that lead from or to `topic` may change now. False while plans by the routes
  // that would change are renewed.
  bool MayChange(const std::string& topic) const;
  // Called when this commit adds or deletes the topic with that name; see TopicStore::Observe.
  void TopicChanged(const std::string& name);

 private:
  // Replaces the sets of `topic` and of the topics from which events can reach it.
  void Rebuild(const std::string& topic);

  const TopicStore& topics_;
  MemoryMeter& filter_memory_;

  mutable Mutex mutex_;
  absl::btree_map<std::string, Known, std::less<>> visible_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only.
  RouteIndex pending_;
};

}  // namespace eventhub
