// The hub's housekeeping: retention, disk space, the clock, idle producers and subscriptions.
#pragma once

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/maintenance/disk_guard.h"
#include "server/core/maintenance/retention.h"
#include "storage/base/job_scheduler.h"
#include "storage/base/trusted_clock.h"

namespace eventhub {

struct MaintenanceOptions {
  RetentionOptions retention;
  absl::Duration retention_interval = absl::Seconds(30);
  absl::Duration producer_expiry_interval = absl::Hours(1);
  absl::Duration disk_check_interval = absl::Seconds(1);
  absl::Duration clock_check_interval = absl::Seconds(1);
  // With less than this free on the disk, publishing is refused, while there is still room to keep
  // the store sound.
  uint64_t min_free_disk_bytes = uint64_t{256} << 20;
  absl::Duration reserve_interval = absl::Seconds(30);
};

// Told of a subscription that was deleted, and since when nobody used it.
using OnSubscriptionExpired =
    absl::AnyInvocable<void(absl::string_view subscription, absl::Time last_used)>;

// The jobs of one hub, on three lanes: the guard, which nothing holds up; upkeep, which waits for
// commits; and giving space back, which may take long.
//
// Thread-safe. Runs from construction to Stop().
class Maintenance {
 public:
  // `on_error` is told of what failed, `on_expired` of what was deleted, `on_clock_doubt` of a
  // clock that is doubted, and of one that is not any more.
  Maintenance(const MaintenanceOptions& options, const TopicCatalog& catalog,
              Subscriptions& subscriptions, LogStore& store, LogWriter& writer, DiskGuard& guard,
              TrustedClock& clock, absl::AnyInvocable<void(const absl::Status&)> on_error,
              OnSubscriptionExpired on_expired,
              absl::AnyInvocable<void(const absl::Status&)> on_clock_doubt);
  ~Maintenance() { Stop(); }

  // Cancels what is being done, and does nothing any more. The other methods may still be called.
  void Stop() { jobs_.Stop(); }

  // Gives the disk space of what was deleted of a topic, or all of it, back, soon.
  void ReclaimSoon(TopicId topic);

 private:
  void CheckClock();
  absl::Status ExpireSubscriptions(const Cancellation& cancellation);

  Subscriptions& subscriptions_;
  LogStore& store_;
  LogWriter& writer_;
  TrustedClock& clock_;
  OnSubscriptionExpired on_expired_;
  absl::AnyInvocable<void(const absl::Status&)> on_clock_doubt_;
  // Lane guard only.
  bool doubted_ = false;
  // When the clock's time was; monotonic. The first look notes it: a hub that is killed within its
  // first minute could not doubt the next start.
  absl::Duration noted_ = -absl::InfiniteDuration();
  Retention retention_;
  JobScheduler jobs_;  // Last: its threads use what is above.
};

}  // namespace eventhub
