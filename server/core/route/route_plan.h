// What routes make of the events of one append, worked out before the commit: filters are run, and
// copies made, on the thread that brings the events.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/route/route_set.h"
#include "server/core/topic/partition_append.h"
#include "storage/commit_builder.h"

namespace eventhub {

// The copies that one route makes to one target.
struct RouteHop {
  const CompiledRoute* route;
  const RouteSet::Target* target;
  std::vector<PartitionAppend> appends;
  uint32_t count = 0;
  size_t bytes = 0;
  uint32_t matched = 0;  // Events that passed the filter; of a route with several targets, in the
                         // first one's hop.
  uint32_t skipped = 0;  // Of those, the ones that the target cannot take.
  uint32_t untaken = 0;  // Copies that no route from the target takes.
  std::string skip_reason;
  size_t end = 0;       // The hops up to there follow from this one.
  bool full = false;    // The target was found full at the commit: nothing of it is appended.
  bool unkept = false;  // The target keeps nothing.
};

struct RoutePlan {
  std::shared_ptr<const RouteSet> set;  // What it was made by; keeps the targets alive.
  std::deque<RouteHop> hops;            // A hop is followed by those that follow from it.
  uint32_t untaken = 0;                 // Events that no route takes.
  size_t bytes = 0;                     // Of all copies.
  // Why the append has to be refused, and by which route; OK if it has not.
  absl::Status refusal;
  const CompiledRoute* refused_by = nullptr;
};

// `layout` is the number of partitions that the events were distributed over by their keys; 0 if it
// was not by keys. No bytes are copied for a route that takes all events, changes nothing and leads
// to a topic of one partition or of the same layout. `accepted`: as of CheckedPublish.
std::unique_ptr<RoutePlan> PlanRoutes(std::shared_ptr<const RouteSet> set,
                                      const std::vector<PartitionAppend>& appends, uint32_t layout,
                                      bool accepted);

// The bytes that the copies of a plan, if there is one, add to a commit.
inline size_t BytesOfCopies(const RoutePlan* plan) { return plan == nullptr ? 0 : plan->bytes; }

// On the commit thread, in this order.

// FAILED_PRECONDITION: a target cannot take what it has to; nothing is done then.
// RESOURCE_EXHAUSTED: there are too many copies.
absl::Status SettleRoutes(RoutePlan& plan, absl::Time now);

// Appends the copies, whose types are all in `types`.
void CarryOutRoutes(RoutePlan& plan, const TypeSummary& types, CommitBuilder& commit);

// After a commit that succeeded.
void CountRoutes(const RoutePlan& plan);

}  // namespace eventhub
