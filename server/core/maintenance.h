// The hub's housekeeping, on a thread of its own: retention, disk space, idle producers and
// subscriptions.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/retention.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

struct MaintenanceOptions {
  RetentionOptions retention;
  absl::Duration retention_interval = absl::Seconds(30);
  absl::Duration producer_expiry_interval = absl::Hours(1);
  absl::Duration disk_check_interval = absl::Seconds(1);
  // With less than this free on the disk, publishing is refused, while there is still room to keep
  // the store sound.
  uint64_t min_free_disk_bytes = uint64_t{256} << 20;
};

// Told of a subscription that was deleted, and since when nobody used it.
using OnSubscriptionExpired =
    absl::AnyInvocable<void(absl::string_view subscription, absl::Time last_used)>;

// Thread-safe. Runs from construction to Stop().
class Maintenance {
 public:
  // `on_disk_space` is called with whether there is enough at each change, and there is at first;
  // `on_error` with what failed, `on_expired` of what was deleted.
  Maintenance(const MaintenanceOptions& options, const TopicCatalog& catalog,
              Subscriptions& subscriptions, LogStore& store, LogWriter& writer, const Clock& clock,
              absl::AnyInvocable<void(bool enough)> on_disk_space,
              absl::AnyInvocable<void(const absl::Status&)> on_error,
              OnSubscriptionExpired on_expired);
  ~Maintenance();

  // Waits for what is being done, and does nothing any more. The other methods may still be called.
  void Stop();

  // Gives the disk space of what was deleted of a topic, or all of it, back, soon.
  void ReclaimSoon(TopicId topic);

 private:
  // Something that is done every so often.
  struct Duty {
    absl::Duration interval;
    absl::Duration due;  // Monotonic.
    absl::Status (Maintenance::*run)();
  };

  void Run();
  std::vector<TopicId> WaitUntil(absl::Duration due) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckDisk();
  absl::Status TrimTopics() { return retention_.TrimTopics(); }
  absl::Status ExpireProducers() { return retention_.ExpireProducers(); }
  absl::Status ExpireTransactions() { return retention_.ExpireTransactions(); }
  absl::Status ExpireSubscriptions();

  const MaintenanceOptions options_;
  Subscriptions& subscriptions_;
  LogStore& store_;
  const Clock& clock_;
  Retention retention_;
  absl::AnyInvocable<void(bool)> on_disk_space_;
  absl::AnyInvocable<void(const absl::Status&)> on_error_;
  OnSubscriptionExpired on_expired_;
  bool enough_ = true;

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<TopicId> reclaims_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // Last: it uses what is above.
};

}  // namespace eventhub
