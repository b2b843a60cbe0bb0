// The copies that routes make of the events of one append, planned before the commit: filters run
// and copies are made on the thread that submits the events.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/base/copy_memory.h"
#include "server/core/route/filter_results.h"
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
  uint32_t matched = 0;  // Events that passed the filter. For a route with several targets, counted
                         // in the hop of the first.
  uint32_t skipped = 0;  // Of those, events that the target cannot accept.
  uint32_t untaken = 0;  // Copies that no route from the target matches.
  std::string skip_reason;
  size_t end = 0;       // The hops up to this index follow from this one.
  bool full = false;    // The target was full at the commit: none of the hop is appended.
  bool unkept = false;  // The target keeps nothing.
};

// For whom a plan is made.
enum class PlanFor {
  kPublisher,  // Who can be refused.
  // Nobody: the events were acknowledged before (CheckedPublish::accepted). Every route skips the
  // copies that cannot be made, whatever its settings; memory is taken regardless of what is left.
  kAccepted,
  // A publisher, for some of the events of a plan that was settled: memory is taken likewise.
  kSubset,
};

struct RoutePlan {
  // The set that the plan was made from; keeps the targets alive.
  std::shared_ptr<const RouteSet> set;
  std::deque<RouteHop> hops;  // A hop is followed by the hops that follow from it.
  uint32_t untaken = 0;       // Events that no route matches.
  size_t bytes = 0;           // Of all copies.
  CopyMemory::Lease memory;   // For the copies that do not share the bytes of their originals.
  // Why the append must be refused, and by which route; OK if it need not be.
  absl::Status refusal;
  const CompiledRoute* refused_by = nullptr;
  // To plan a part of the events on the commit thread; null: the filters would run again.
  std::unique_ptr<FilterResults> results;
};

// `layout` is the number of partitions over which the events were distributed by key; 0 if they
// were not distributed by key. Copies no bytes for a route that matches all events, changes
// nothing, and leads to a topic with one partition or the same layout.
//
// Other copies take `memory`, before they are made; null: any amount. The copies of one plan,
// including those that share bytes, which the commit copies, are at most as large as that memory.
//
// `results`, unless null, are used and added to, and are then in the plan.
//
// `budget`, unless null, is decreased by the work of the filters, in bytes of text. Null is
// returned if it is used up: the plan is to be made elsewhere.
std::unique_ptr<RoutePlan> PlanRoutes(std::shared_ptr<const RouteSet> set,
                                      const std::vector<PartitionAppend>& appends, uint32_t layout,
                                      PlanFor reason, CopyMemory* memory,
                                      std::unique_ptr<FilterResults> results = nullptr,
                                      size_t* budget = nullptr);

// The append is to be refused, for a reason that the plan does not know: the copies are dropped.
void RefusePlan(RoutePlan& plan, absl::Status why);

// The bytes that the copies of a plan add to a commit; 0 if `plan` is null.
inline size_t BytesOfCopies(const RoutePlan* plan) { return plan == nullptr ? 0 : plan->bytes; }

// The functions below run on the commit thread, in this order.

// FAILED_PRECONDITION: a target cannot accept a copy that its route must not skip; then nothing is
// done. RESOURCE_EXHAUSTED: there is no memory for the copies, now (REASON_COPIES_IN_FLIGHT) or
// ever (REASON_TOO_MANY_COPIES).
absl::Status SettleRoutes(RoutePlan& plan, absl::Time now);

// Appends the copies. `types` includes all their types.
void ApplyRoutes(RoutePlan& plan, const TypeSummary& types, CommitBuilder& commit);

// Called after a commit that succeeded.
void CountRoutes(const RoutePlan& plan);

}  // namespace eventhub
