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

// What is kept for the lake while it is behind, in each topic, beyond the limits of the topic.
struct ArchiveLagLimits {
  // The size of the events, in encoded bytes.
  uint64_t bytes = uint64_t{10} << 30;
  // The age of the oldest of them.
  absl::Duration age = absl::InfiniteDuration();
  // Beyond the limits: true: the oldest of these events are deleted, and the lake never has them;
  // false: the topic refuses further events.
  bool drop = false;
};

// Both limits are cuts in time: events appended before the cut are trimmed. For a limit by size the
// cut is the earliest time that leaves at most the limit, over all partitions of the topic; of the
// events appended at the time just before it, each partition keeps its share of the remaining room.
//
// A plan covers what is visible when it is made; TrimTask checks for changes since. Dead letters
// need no second check: a new letter lies after everything that was visible.
//
// Used by one thread; blocks it on the disk.
class TrimPlanner {
 public:
  // The arguments outlive this object.
  TrimPlanner(const Subscriptions& subscriptions, const LogStore& store, const AgeMarks& marks,
              const ArchiveLagLimits& archive_lag = {})
      : subscriptions_(subscriptions), store_(store), marks_(marks), archive_lag_(archive_lag) {}

  // Returns the new starts of the topic's partitions; unchanged partitions have no cut. Ages are
  // measured at `now`, which is the infinite past while nothing expires by age. Records in the
  // topic what is kept beyond its limits. NOT_FOUND: the topic is being deleted or emptied.
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
  // The part of the topic that is within its limits: for each non-empty partition, a range up to
  // its end.
  absl::StatusOr<Ranges> WithinLimits(const TopicView& view, absl::Time now) const;
  // The newest part of the ranges, at most `limit` bytes in total.
  absl::StatusOr<Ranges> Newest(Ranges ranges, uint64_t limit) const;
  // The part of each range that was appended at or after `time`.
  absl::StatusOr<Ranges> Since(Ranges ranges, absl::Time time) const;
  // Like Since, by the marks of partitions whose append times do not show their age.
  absl::StatusOr<Ranges> SinceMarks(Ranges ranges, absl::Time time) const;
  // The part of the ranges `beyond` the limits that open dead letters need or, with
  // keep_until_acked, that some subscription has not settled, as far as the bound on it allows.
  // Stores in `needed` the first offsets that subscriptions need.
  absl::StatusOr<Ranges> Needed(const Topic& topic, const v1::Retention& retention, Ranges beyond,
                                std::vector<NeededFrom>* needed) const;
  // The part of the ranges `beyond` the limits that is kept for the lake. Makes the topic refuse
  // events if that is too much.
  absl::StatusOr<Ranges> Unarchived(Topic& topic, Ranges beyond, absl::Time now) const;
  // `unarchived`: the bytes of `held` that are kept for the lake.
  absl::Status NoteHeldBack(Topic& topic, const v1::Retention& retention, const Ranges& held,
                            uint64_t unarchived) const;

  const Subscriptions& subscriptions_;
  const LogStore& store_;
  const AgeMarks& marks_;
  const ArchiveLagLimits archive_lag_;
};

}  // namespace eventhub
