// The hub's housekeeping: retention, compaction, disk space, the clock, idle producers and
// subscriptions.
#pragma once

#include <set>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/compaction/topic_compaction.h"
#include "server/core/maintenance/disk_guard.h"
#include "server/core/maintenance/retention.h"
#include "storage/base/job_scheduler.h"
#include "storage/base/trusted_clock.h"

namespace eventhub {

struct MaintenanceOptions {
  RetentionOptions retention;
  absl::Duration retention_interval = absl::Seconds(30);
  CompactionOptions compaction{};
  absl::Duration compaction_interval = absl::Seconds(10);
  absl::Duration producer_expiry_interval = absl::Hours(1);
  absl::Duration disk_check_interval = absl::Seconds(1);
  absl::Duration clock_check_interval = absl::Seconds(1);
  // Publishing is refused while the disk has less free space than this, which keeps enough room for
  // the store itself. Bytes.
  uint64_t min_free_disk_bytes = uint64_t{256} << 20;
  absl::Duration reserve_interval = absl::Seconds(30);
};

// Called for a subscription that was deleted, with the time of its last use.
using OnSubscriptionExpired =
    absl::AnyInvocable<void(absl::string_view subscription, absl::Time last_used)>;

// The maintenance jobs of one hub, on five lanes: the guard, which never waits for another job;
// upkeep, which waits for commits; compaction and the reclaiming of disk space, which may take
// long; and tables, which are written when the disk is short.
//
// Thread-safe. Runs from construction to Stop().
class Maintenance {
 public:
  // `on_error` is called with the error of each failed run, `on_expired` for each subscription that
  // was deleted, `on_clock_doubt` when the clock becomes doubtful and when it is trusted again.
  Maintenance(const MaintenanceOptions& options, const TopicCatalog& catalog,
              Subscriptions& subscriptions, LogStore& store, LogWriter& writer, DiskGuard& guard,
              TrustedClock& clock, absl::AnyInvocable<void(const absl::Status&)> on_error,
              OnSubscriptionExpired on_expired,
              absl::AnyInvocable<void(const absl::Status&)> on_clock_doubt);
  ~Maintenance() { Stop(); }

  // Cancels the running jobs and starts no more. The other methods may still be called.
  void Stop() { jobs_.Stop(); }

  // Applies the limits of topics now instead of after the next interval.
  void TrimSoon() { jobs_.RunSoon("retention"); }

  // Schedules compaction to reclaim the space of trimmed or deleted data of a topic.
  void ReclaimSoon(TopicId topic);

 private:
  void CheckClock();
  // Schedules the writing of tables, so that the files of the log are deleted.
  void WriteTablesSoon(DiskGuard& guard);
  absl::Status ExpireSubscriptions(const Cancellation& cancellation);
  absl::Status ForgetFaults(const Cancellation& cancellation);

  Subscriptions& subscriptions_;
  LogStore& store_;
  LogWriter& writer_;
  TrustedClock& clock_;
  OnSubscriptionExpired on_expired_;
  absl::AnyInvocable<void(const absl::Status&)> on_clock_doubt_;
  // Lane guard only.
  bool doubted_ = false;
  // When the clock's time was last recorded; monotonic. The first check records it, so that the
  // start after a crash within the first minute can be doubted, too.
  absl::Duration noted_ = -absl::InfiniteDuration();
  // Topics whose space could not be reclaimed for lack of room. Lane reclaim only.
  std::set<TopicId> postponed_;
  Retention retention_;
  TopicCompaction compaction_;
  JobScheduler jobs_;  // Last: its threads use the members above.
};

}  // namespace eventhub
