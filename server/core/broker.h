// The broker: the hub without the network. The RPC layer and the tests are its callers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/admin/erasures.h"
#include "server/core/admin/topics.h"
#include "server/core/archive/archives.h"
#include "server/core/archive/key_archive.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/base/copy_memory.h"
#include "server/core/base/host_shares.h"
#include "server/core/base/memory_meter.h"
#include "server/core/delayed/delayed_events.h"
#include "server/core/erasure/key_ring.h"
#include "server/core/erasure/master_keys.h"
#include "server/core/link/links.h"
#include "server/core/maintenance/disk_guard.h"
#include "server/core/maintenance/maintenance.h"
#include "server/core/publish/publishing.h"
#include "server/core/read/readers.h"
#include "server/core/route/route_table.h"
#include "server/core/route/routes.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topic/topic_catalog.h"
#include "server/core/topology/topologies.h"
#include "server/core/transaction/transactions.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/trusted_clock.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"
#include "storage/tail_cache.h"

namespace eventhub {

struct BrokerOptions {
  LogStoreOptions store;
  // Memory for the newest events. Bytes.
  size_t tail_cache_bytes = size_t{256} << 20;
  // Partitions of all topics together; nothing is created beyond that. Existing ones are opened.
  size_t max_partitions = 10'000'000;
  // Memory for the unsettled deliveries of subscriptions, and for idempotent producers, over all
  // topics. Bytes.
  size_t pending_bytes = size_t{256} << 20;
  size_t producer_bytes = size_t{256} << 20;
  // Memory for requests of consumers and their answers; consumers beyond their part of it are not
  // read. Bytes.
  size_t request_bytes = size_t{128} << 20;
  // Memory for what is made of requests until they are committed; see CopyMemory. Bytes.
  size_t copy_bytes = size_t{256} << 20;
  // Memory for the filters of subscriptions and routes. Bytes.
  size_t filter_bytes = size_t{128} << 20;
  // Memory for what links have received and not yet committed. Bytes.
  size_t link_bytes = size_t{64} << 20;
  // Memory of readers, except their frames; further readers are refused, and those of a host that
  // has as much as is left for others. Bytes.
  size_t reader_bytes = size_t{256} << 20;
  // Memory for what is read from the lake, besides the frames of readers. Bytes.
  size_t history_bytes = size_t{64} << 20;
  // The keys with which those of subjects are wrapped; none: nothing can be sealed.
  MasterKeys master_keys;
  // The topic to which erasures of subjects are published; empty: none.
  std::string erasure_topic;
  // The limits of topics' settings.
  TopicLimits topic_limits{};
  // Unset: nothing is trimmed, expired or checked unless a test does it.
  std::optional<MaintenanceOptions> maintenance = MaintenanceOptions();
  // Opens a data directory although it is being restored.
  bool restoring = false;
  // Unset: the hub has no lake, and archives nothing.
  std::optional<ArchiveOptions> archive;
  // Whether leases end and delayed events are released automatically; if not, a test calls
  // Subscriptions::RunDue and DelayedEvents::RunDue.
  bool run_alarm = true;
  // Must outlive the broker.
  const Clock* clock = &Clock::System();
  // The broker registers its metrics here; null: in a registry of its own. Must outlive the broker,
  // and serves one broker only.
  Metrics* metrics = nullptr;
  // Called with the reason when the hub stops accepting writes, and with OK when it accepts them
  // again. On any thread.
  absl::AnyInvocable<void(const absl::Status&)> on_writable_change = [](const absl::Status&) {};
  // Called with the errors of background work. On any thread.
  absl::AnyInvocable<void(const absl::Status&)> on_background_error = [](const absl::Status&) {};
  // Called with the reason when the system's clock becomes doubtful, and with OK when it is trusted
  // again. On any thread.
  absl::AnyInvocable<void(const absl::Status&)> on_clock_doubt = [](const absl::Status&) {};
  // Called with each administrative change that was made; see AdminLog.
  AdminLog::Report on_admin_change = [](const Caller&, absl::string_view) {};
  // Called with subscriptions that were deleted because they were unused. On any thread.
  OnSubscriptionExpired on_subscription_expired = [](absl::string_view, absl::Time) {};
};

// Builds the facades of one hub, and what they share. Thread-safe.
class Broker {
 public:
  // Opens the store and loads its topics. Errors: see LogStore::Open.
  static absl::StatusOr<std::unique_ptr<Broker>> Open(BrokerOptions options);

  // Finishes accepted work. Readers and consumers must be destroyed before.
  ~Broker();

  // Accepts the current time of the system's clock as correct, and returns it; see
  // AdminService.ConfirmClock.
  absl::Time ConfirmClock(const Caller& caller);
  // All statistics except version, start time and bytes in flight, which the broker does not know.
  v1::GetStatsResponse GetStats(const Caller& caller) const;

  // Publishing, transactions and reading. The broker outlives its readers.
  Publishing& publishing() { return *publishing_; }
  Transactions& transactions() { return *transactions_; }
  Readers& readers() { return *readers_; }

  // Topics and their administration.
  Topics& topics() { return *topics_; }
  const Topics& topics() const { return *topics_; }

  // Durable subscriptions and their consumers.
  Subscriptions& subscriptions() { return *subscriptions_; }

  // The keys of subjects, and their erasure.
  KeyRing& keys() { return *keys_; }
  Erasures& erasures() { return *erasures_; }
  // Delayed events.
  DelayedEvents& delayed() { return *delayed_; }
  // Links from other hubs. The readers of links must have stopped before the broker is destroyed.
  Links& links() { return *links_; }
  // Routes between topics.
  Routes& routes() { return *routes_; }
  // Archiving; null if the hub has no lake. What archives must have stopped before the broker is
  // destroyed.
  Archives* archives() { return archives_.get(); }
  // For what is read from the lake; see BrokerOptions::history_bytes.
  MemoryMeter& history_memory() { return history_memory_; }
  // Calls `done`, on any thread, with what the hub consists of, once the topologies that are being
  // applied now are done. Only for a hub with a lake.
  void ExportForLake(absl::AnyInvocable<void(HubSettings)> done);
  // Declarative administration.
  Topologies& topologies() { return *topologies_; }

  // Fails writes that wait for disk space, now and later. Called before a shutdown.
  void StopWaitingForSpace() { store_->StopWaitingForSpace(); }
  // Likewise, refuses the requests whose filters run again since routes were changed.
  void StopRenewing() { writer_->StopRenewing(); }

  // Limits the caches to this part of their configured sizes.
  void SizeCaches(double share);

  // Returns why publishing is refused at the moment, or OK.
  absl::Status writable() const;

 private:
  explicit Broker(BrokerOptions options);
  absl::Status Start();
  // Accounts for bytes to append; returns why they are refused, or OK.
  absl::Status AdmitBytes(size_t bytes);
  void AddMemoryTo(const SubscriptionCatalog::Subscriptions& subscriptions,
                   v1::MemoryStats* stats) const;

  BrokerOptions options_;
  Metrics own_metrics_;
  Metrics& metrics_;
  TrustedClock clock_;
  const AdminLog admin_log_;
  std::unique_ptr<LogStore> store_;
  TailCache cache_;
  MemoryMeter pending_memory_;
  MemoryMeter producer_memory_;
  HostShares request_memory_;
  HostShares reader_memory_;
  MemoryMeter filter_memory_;
  MemoryMeter history_memory_;
  MemoryMeter link_memory_;
  CopyMemory copy_memory_;
  TopicCatalog catalog_;
  ReadCounters read_counters_{metrics_};
  std::unique_ptr<KeyRing> keys_;
  std::unique_ptr<TopicStore> topic_store_;
  std::unique_ptr<RouteTable> route_table_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<KeyArchive> key_archive_;  // Null without a lake.
  std::unique_ptr<Archives> archives_;       // Null without a lake.
  std::unique_ptr<Routes> routes_;
  std::unique_ptr<Subscriptions> subscriptions_;
  std::unique_ptr<DelayedEvents> delayed_;
  std::unique_ptr<Erasures> erasures_;
  std::unique_ptr<Links> links_;
  std::unique_ptr<Publishing> publishing_;
  std::unique_ptr<Transactions> transactions_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<DiskGuard> disk_guard_;  // Null without maintenance.
  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<Topics> topics_;
  std::unique_ptr<Topologies> topologies_;
};

}  // namespace eventhub
