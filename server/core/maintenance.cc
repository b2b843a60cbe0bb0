#include "server/core/maintenance.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace eventhub {

Maintenance::Maintenance(const MaintenanceOptions& options, const TopicCatalog& catalog,
                         Subscriptions& subscriptions, LogStore& store, LogWriter& writer,
                         const Clock& clock, absl::AnyInvocable<void(bool)> on_disk_space,
                         absl::AnyInvocable<void(const absl::Status&)> on_error,
                         OnSubscriptionExpired on_expired)
    : options_(options),
      subscriptions_(subscriptions),
      store_(store),
      clock_(clock),
      retention_(options.retention, catalog, subscriptions, store, writer, clock),
      on_disk_space_(std::move(on_disk_space)),
      on_error_(std::move(on_error)),
      on_expired_(std::move(on_expired)),
      thread_([this] { Run(); }) {}

Maintenance::~Maintenance() { Stop(); }

void Maintenance::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void Maintenance::ReclaimSoon(TopicId topic) {
  {
    MutexLock lock(mutex_);
    reclaims_.push_back(topic);
  }
  changed_.NotifyAll();
}

void Maintenance::Run() {
  const absl::Duration start = clock_.Monotonic();
  std::vector<Duty> duties = {
      {options_.disk_check_interval, start, &Maintenance::CheckDisk},
      {options_.retention_interval, start, &Maintenance::TrimTopics},
      {options_.retention_interval, start, &Maintenance::ExpireSubscriptions},
      {options_.producer_expiry_interval, start, &Maintenance::ExpireProducers},
      {options_.producer_expiry_interval, start, &Maintenance::ExpireTransactions},
  };
  for (;;) {
    for (Duty& duty : duties) {
      const absl::Duration now = clock_.Monotonic();
      if (now < duty.due) continue;
      if (absl::Status status = (this->*duty.run)(); !status.ok()) on_error_(status);
      duty.due = now + duty.interval;
    }
    const auto next = std::min_element(duties.begin(), duties.end(),
                                       [](const Duty& a, const Duty& b) { return a.due < b.due; });
    for (const TopicId topic : WaitUntil(next->due)) {
      if (absl::Status status = retention_.Reclaim(topic); !status.ok()) on_error_(status);
    }
    MutexLock lock(mutex_);
    if (stopping_) return;
  }
}

std::vector<TopicId> Maintenance::WaitUntil(absl::Duration due) {
  MutexLock lock(mutex_);
  while (!stopping_ && reclaims_.empty()) {
    const absl::Duration left = due - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mutex_, left);
  }
  return std::exchange(reclaims_, {});
}

absl::Status Maintenance::ExpireSubscriptions() {
  return subscriptions_.Expire(
      [this](const std::string& name, absl::Time last_used) { on_expired_(name, last_used); });
}

absl::Status Maintenance::CheckDisk() {
  const std::optional<uint64_t> free = store_.DiskFreeBytes();
  const bool enough = !free.has_value() || *free >= options_.min_free_disk_bytes;
  if (enough != enough_) on_disk_space_(enough);
  enough_ = enough;
  return absl::OkStatus();
}

}  // namespace eventhub
