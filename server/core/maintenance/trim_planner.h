// Determines how far topics may be trimmed: by their limits, and by the events that are still
// needed.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/maintenance/age_marks.h"
#include "server/core/maintenance/trim_plan.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topic/topic.h"
#include "storage/log_store.h"

namespace eventhub {

// Both limits are cuts in time: what was appended before the cut goes. Under a limit by size the
// cut is the earliest time that leaves no more than the limit, over all partitions of the topic; of
// what was appended at the time just before it, each partition keeps its part of the room that is
// left.
//
// A plan covers what is visible when it is made; TrimTask checks what has changed by the time it is
// carried out. Dead letters need no second check: a new one lies behind what was visible.
//
// Used by one thread; blocks it on the disk.
class TrimPlanner {
 public:
  // What is given outlives this.
  TrimPlanner(const Subscriptions& subscriptions, const LogStore& store, const AgeMarks& marks)
      : subscriptions_(subscriptions), store_(store), marks_(marks) {}

  // Where the topic's partitions are to begin; those that stay as they are have no cut. `now` is
  // what ages are measured by, in the infinite past while nothing goes by age. Notes in the topic
  // what is kept beyond its limits. NOT_FOUND: the topic is being deleted or emptied.
  absl::StatusOr<TrimPlan> Plan(Topic& topic, absl::Time now) const;

 private:
  // A part of a partition's log.
  struct Range {
    PartitionLog* log;
    LogPosition from;
    LogPosition to;
  };
  using Ranges = std::vector<Range>;

  static uint64_t BytesOf(const Ranges& ranges);
  // What of the topic is within its limits: of each partition that is not empty, a range up to its
  // end.
  absl::StatusOr<Ranges> WithinLimits(const TopicView& view, absl::Time now) const;
  // The newest of the ranges, no more than `limit` bytes together.
  absl::StatusOr<Ranges> Newest(Ranges ranges, uint64_t limit) const;
  // Of each range, what was appended at `time` or later.
  absl::StatusOr<Ranges> Since(Ranges ranges, absl::Time time) const;
  // The same by the marks of partitions whose append times do not tell.
  absl::StatusOr<Ranges> SinceMarks(Ranges ranges, absl::Time time) const;
  // What of the ranges, which are beyond the limits, open dead letters need, and with
  // keep_until_acked what some subscription has not settled, as far as the bound on that allows.
  // Notes in `needed` from where on subscriptions need them.
  absl::StatusOr<Ranges> Needed(const Topic& topic, const v1::Retention& retention, Ranges beyond,
                                std::vector<NeededFrom>* needed) const;
  absl::Status NoteHeldBack(Topic& topic, const v1::Retention& retention, const Ranges& held) const;

  const Subscriptions& subscriptions_;
  const LogStore& store_;
  const AgeMarks& marks_;
};

}  // namespace eventhub
