#include "server/core/maintenance/maintenance.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/noted_time.h"
#include "server/core/subscription/dead_letter/fault_records.h"

namespace eventhub {
namespace {

constexpr char kGuardLane[] = "guard";
constexpr char kUpkeepLane[] = "upkeep";
constexpr char kCompactionLane[] = "compaction";
constexpr char kReclaimLane[] = "reclaim";
constexpr char kTablesLane[] = "tables";

// Bounds of a run. A guard only reads figures; upkeep and compaction continue where they were
// cancelled; space that reclaiming has freed so far stays free.
constexpr absl::Duration kGuardBound = absl::Seconds(30);
constexpr absl::Duration kUpkeepBound = absl::Minutes(10);
constexpr absl::Duration kCompactionBound = absl::Hours(2);
constexpr absl::Duration kReclaimBound = absl::Hours(2);
constexpr absl::Duration kTablesBound = absl::Minutes(10);

// How often the time is recorded for the next start. A start more than a day later is doubted.
constexpr absl::Duration kNoteInterval = absl::Minutes(1);

}  // namespace

Maintenance::Maintenance(const MaintenanceOptions& options, const TopicCatalog& catalog,
                         Subscriptions& subscriptions, LogStore& store, LogWriter& writer,
                         DiskGuard& guard, TrustedClock& clock,
                         absl::AnyInvocable<void(const absl::Status&)> on_error,
                         OnSubscriptionExpired on_expired,
                         absl::AnyInvocable<void(const absl::Status&)> on_clock_doubt)
    : subscriptions_(subscriptions),
      store_(store),
      writer_(writer),
      clock_(clock),
      on_expired_(std::move(on_expired)),
      on_clock_doubt_(std::move(on_clock_doubt)),
      retention_(options.retention, catalog, subscriptions, store, writer, clock,
                 [this](TopicId topic) { ReclaimSoon(topic); }),
      compaction_(options.compaction, catalog, store, writer, clock,
                  [this](TopicId topic) { ReclaimSoon(topic); }),
      jobs_(clock, std::move(on_error)) {
  jobs_.Every(options.disk_check_interval,
              {"disk space", kGuardLane, kGuardBound, [this, &guard](Cancellation&) {
                 guard.Look();
                 if (store_.ShouldWriteTables(guard.room())) WriteTablesSoon(guard);
                 return absl::OkStatus();
               }});
  jobs_.Every(options.clock_check_interval,
              {"clock", kGuardLane, kGuardBound, [this](Cancellation&) {
                 CheckClock();
                 return absl::OkStatus();
               }});
  jobs_.Every(options.reserve_interval,
              {"disk reserve", kReclaimLane, kUpkeepBound,
               [this, &guard, bytes = store.reserve_bytes()](Cancellation& cancellation) {
                 // Skipped if it could fill the disk again.
                 if (guard.room() / 2 < bytes) return absl::OkStatus();
                 return store_.RestoreReserve(cancellation);
               }});
  jobs_.Every(options.reserve_interval,
              {"postponed space", kReclaimLane, kUpkeepBound, [this](Cancellation&) {
                 for (const TopicId topic : std::exchange(postponed_, {})) ReclaimSoon(topic);
                 return absl::OkStatus();
               }});
  jobs_.Every(options.compaction_interval,
              {"compaction", kCompactionLane, kCompactionBound,
               [this](Cancellation& cancellation) { return compaction_.Run(cancellation); }});
  const auto upkeep = [&](const char* name, absl::Duration interval, auto run) {
    jobs_.Every(interval, {name, kUpkeepLane, kUpkeepBound, std::move(run)});
  };
  upkeep("retention", options.retention_interval,
         [this](Cancellation& cancellation) { return retention_.TrimTopics(cancellation); });
  upkeep("idle subscriptions", options.retention_interval,
         [this](Cancellation& cancellation) { return ExpireSubscriptions(cancellation); });
  upkeep("idle producers", options.producer_expiry_interval,
         [this](Cancellation& cancellation) { return retention_.ExpireProducers(cancellation); });
  upkeep("closed faults", options.producer_expiry_interval,
         [this](Cancellation& cancellation) { return ForgetFaults(cancellation); });
  upkeep("old transactions", options.producer_expiry_interval, [this](Cancellation& cancellation) {
    return retention_.ExpireTransactions(cancellation);
  });
}

void Maintenance::CheckClock() {
  clock_.Look();
  const absl::Status doubt = clock_.doubt();
  if (doubt.ok() == doubted_) on_clock_doubt_(doubt);
  doubted_ = !doubt.ok();
  const absl::Duration now = clock_.Monotonic();
  if (doubted_ || now - noted_ < kNoteInterval) return;
  noted_ = now;
  writer_.Submit(std::make_unique<NoteTimeTask>());
}

void Maintenance::ReclaimSoon(TopicId topic) {
  jobs_.Once({absl::StrCat("space of topic ", topic.value()), kReclaimLane, kReclaimBound,
              [this, topic](Cancellation& cancellation) {
                const absl::Status reclaimed = store_.Reclaim(topic, cancellation);
                if (absl::IsResourceExhausted(reclaimed)) postponed_.insert(topic);
                return reclaimed;
              }});
}

void Maintenance::WriteTablesSoon(DiskGuard& guard) {
  jobs_.Once({"tables", kTablesLane, kTablesBound, [this, &guard](Cancellation&) {
                const absl::Status written = store_.WriteTables();
                guard.Look();
                return written;
              }});
}

absl::Status Maintenance::ExpireSubscriptions(const Cancellation& cancellation) {
  return subscriptions_.Expire(
      [this](const std::string& name, absl::Time last_used) { on_expired_(name, last_used); },
      [&cancellation] { return cancellation.cancelled(); });
}

absl::Status Maintenance::ForgetFaults(const Cancellation& cancellation) {
  return subscriptions_.dead_letters().ForgetClosed(
      clock_.DeletionTime() - kKeepClosedFaults,
      [&cancellation] { return cancellation.cancelled(); });
}

}  // namespace eventhub
