#include "server/core/broker.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/admin/memory_stats.h"
#include "server/core/base/errors.h"
#include "server/core/base/hub_id.h"
#include "server/core/base/noted_time.h"
#include "server/core/base/restore_marker.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// Names the subscription whose delivered, unsettled events take the most memory.
std::string LargestPending(const SubscriptionCatalog::Subscriptions& subscriptions) {
  const Subscription* largest = nullptr;
  size_t most = 0;
  for (const auto& subscription : subscriptions) {
    const size_t bytes = subscription->pending_bytes();
    if (bytes <= most) continue;
    most = bytes;
    largest = subscription.get();
  }
  if (largest == nullptr) return "";
  return absl::StrCat("; the most by subscription ", largest->name(), " of topic ",
                      largest->topic()->name(), ": ", MebiBytes(most),
                      "; settle the events that its consumers have");
}

// Notes how far the subscriptions are, as far as that is not too much.
void AddProgress(const SubscriptionCatalog::Subscriptions& subscriptions, HubSettings* settings) {
  constexpr size_t kMaxPartitions = 100'000;
  // A report holds up deliveries of its subscription.
  constexpr size_t kMaxReported = 10'000;
  size_t partitions = 0;
  for (const auto& subscription : subscriptions) {
    const size_t count = subscription->topic()->view()->partitions.size();
    if (count > kMaxReported || partitions + count > kMaxPartitions) continue;
    partitions += count;
    const Subscription::Report report = subscription->MakeReport();
    auto& [name, settled] = settings->progress.emplace_back();
    name = subscription->name();
    for (const CursorState& cursor : report.cursors) settled.push_back(cursor.acked);
  }
}

// Adds to an error of a start what the operator can do about damage, unless it says so.
absl::Status WithRemedy(const absl::Status& damage, absl::string_view directory) {
  constexpr absl::string_view kRemedy = "restore ";
  if (absl::StrContains(damage.message(), kRemedy)) return damage;
  return absl::DataLossError(
      absl::StrCat("the data in ", directory, " is damaged: ", damage.message(),
                   "; the hub cannot start without this data: ", kRemedy, "a backup"));
}

}  // namespace

Broker::Broker(BrokerOptions options)
    : options_(std::move(options)),
      metrics_(options_.metrics != nullptr ? *options_.metrics : own_metrics_),
      clock_(*options_.clock),
      admin_log_(std::move(options_.on_admin_change)),
      cache_(options_.tail_cache_bytes),
      pending_memory_(options_.pending_bytes),
      producer_memory_(options_.producer_bytes),
      request_memory_(options_.request_bytes),
      reader_memory_(options_.reader_bytes),
      filter_memory_(options_.filter_bytes),
      history_memory_(options_.history_bytes),
      link_memory_(options_.link_bytes),
      copy_memory_(options_.copy_bytes),
      catalog_(&producer_memory_, &copy_memory_, options_.archive.has_value()) {}

absl::StatusOr<std::unique_ptr<Broker>> Broker::Open(BrokerOptions options) {
  std::unique_ptr<Broker> broker(new Broker(std::move(options)));
  const absl::Status started = broker->Start();
  if (absl::IsDataLoss(started)) return WithRemedy(started, broker->options_.store.directory);
  RETURN_IF_ERROR(started);
  return broker;
}

absl::Status Broker::Start() {
  options_.store.clock = &clock_;
  ASSIGN_OR_RETURN(store_, LogStore::Open(options_.store));
  ASSIGN_OR_RETURN(const std::optional<std::string> restored_from, ReadRestoreMarker(*store_));
  if (restored_from.has_value() && !options_.restoring) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", options_.store.directory, " is being restored from ", *restored_from,
        ", which was interrupted; complete it with --restore_from_lake"));
  }
  ASSIGN_OR_RETURN(const std::optional<absl::Time> noted, ReadNotedTime(*store_));
  clock_.Resume(noted);
  options_.topic_limits.can_seal = !options_.master_keys.empty();
  keys_ = std::make_unique<KeyRing>(*store_, std::move(options_.master_keys));
  RETURN_IF_ERROR(keys_->Load());
  if (options_.archive.has_value()) keys_->AwaitConfirmation();
  catalog_.SetKeys(keys_.get());
  topic_store_ = std::make_unique<TopicStore>(*store_, catalog_, cache_, options_.max_partitions,
                                              options_.topic_limits);
  RETURN_IF_ERROR(topic_store_->Load());
  route_table_ = std::make_unique<RouteTable>(*topic_store_, filter_memory_);
  RETURN_IF_ERROR(route_table_->Load(*store_));
  topic_store_->Observe([this](const std::string& name) { route_table_->TopicChanged(name); },
                        [this](const std::string& name) { return route_table_->MayChange(name); });
  ASSIGN_OR_RETURN(const uint64_t generation, TakeGeneration(*store_, clock_.Now()));
  ASSIGN_OR_RETURN(std::string hub_id, TakeHubId(*store_, clock_.Now()));
  store_->runs().SetOrigin(LoadLittle64(absl::HexStringToBytes(hub_id).data()));
  writer_ = std::make_unique<LogWriter>(
      *store_, cache_, clock_, metrics_,
      [this](const absl::Status& failure) { options_.on_writable_change(StoreFailed(failure)); });
  if (options_.archive.has_value()) {
    key_archive_ = std::make_unique<KeyArchive>(*keys_, *store_, *writer_);
    archives_ = std::make_unique<Archives>(*options_.archive, catalog_, *key_archive_, *store_,
                                           *writer_, clock_, metrics_, [this] {
                                             if (maintenance_ != nullptr) maintenance_->TrimSoon();
                                           });
    RETURN_IF_ERROR(archives_->Load());
  }
  routes_ = std::make_unique<Routes>(*route_table_, catalog_, *writer_, clock_, admin_log_);
  subscriptions_ = std::make_unique<Subscriptions>(
      *store_, *writer_, clock_, *topic_store_, read_counters_, pending_memory_, request_memory_,
      filter_memory_, admin_log_, generation, options_.run_alarm);
  RETURN_IF_ERROR(subscriptions_->Load());
  for (const auto& subscription : subscriptions_->catalog().List("", SIZE_MAX)) {
    topic_store_->ForceTake(TopicStore::CostOf(subscription->topic()->pending()));
  }
  delayed_ = std::make_unique<DelayedEvents>(
      *store_, *writer_, clock_, catalog_, admin_log_, generation,
      DelayedEventsOptions{
          options_.run_alarm, [this] { return writable(); },
          [this](const absl::Status& error) { options_.on_background_error(error); }});
  RETURN_IF_ERROR(delayed_->Load());
  const auto admit = [this](size_t bytes) { return AdmitBytes(bytes); };
  publishing_ = std::make_unique<Publishing>(*writer_, catalog_, delayed_->table(), admit);
  transactions_ = std::make_unique<Transactions>(
      *store_, *writer_, catalog_, subscriptions_->catalog(), delayed_->table(), admit);
  readers_ = std::make_unique<Readers>(*store_, *writer_, clock_, catalog_, subscriptions_->alarm(),
                                       read_counters_, reader_memory_);
  erasures_ = std::make_unique<Erasures>(
      *keys_, *store_, *writer_, catalog_, delayed_->table(), admin_log_,
      ErasureFacts{options_.erasure_topic, absl::StrCat("/eventhub/", hub_id)});
  links_ = std::make_unique<Links>(*writer_, clock_, catalog_, delayed_->table(), admin_log_,
                                   link_memory_, std::move(hub_id), [this] { return writable(); });
  RETURN_IF_ERROR(links_->Load(*store_));
  if (options_.maintenance.has_value()) {
    disk_guard_ =
        std::make_unique<DiskGuard>(*store_, options_.maintenance->min_free_disk_bytes,
                                    [this](bool) { options_.on_writable_change(writable()); });
    disk_guard_->Look();  // Before the first request.
    maintenance_ = std::make_unique<Maintenance>(
        *options_.maintenance, catalog_, *subscriptions_, *store_, *writer_, *disk_guard_, clock_,
        [this](const absl::Status& error) { options_.on_background_error(error); },
        [this](absl::string_view name, absl::Time last_used) {
          options_.on_subscription_expired(name, last_used);
        },
        [this](const absl::Status& doubt) { options_.on_clock_doubt(doubt); });
  }
  topics_ = std::make_unique<Topics>(*topic_store_, *route_table_, *subscriptions_, *links_,
                                     archives_.get(), *writer_, clock_, admin_log_,
                                     [this](TopicId topic) {
                                       if (maintenance_ != nullptr)
                                         maintenance_->ReclaimSoon(topic);
                                     });
  topologies_ = std::make_unique<Topologies>(*topics_, *subscriptions_, *routes_, *links_);
  return absl::OkStatus();
}

Broker::~Broker() {
  if (store_ != nullptr) store_->StopWaitingForSpace();
  if (writer_ != nullptr) writer_->StopRenewing();
  if (archives_ != nullptr) archives_->Stop();
  if (topologies_ != nullptr) topologies_->Stop();
  if (erasures_ != nullptr) erasures_->Stop();
  // They submit to the writer, whose tasks report the results to them.
  if (maintenance_ != nullptr) maintenance_->Stop();
  if (delayed_ != nullptr) delayed_->Stop();
  if (subscriptions_ != nullptr) subscriptions_->Stop();
  if (maintenance_ != nullptr && clock_.doubt().ok()) {
    writer_->Submit(std::make_unique<NoteTimeTask>());
  }
  writer_.reset();
}

absl::Time Broker::ConfirmClock(const Caller& caller) {
  clock_.Confirm();
  writer_->Submit(std::make_unique<NoteTimeTask>());
  admin_log_.Note(caller, "confirmed the clock");
  return clock_.Now();
}

void Broker::ExportForLake(absl::AnyInvocable<void(HubSettings)> done) {
  topologies_->Export(
      Caller::Internal("archiver"),
      [this, done = std::move(done)](absl::StatusOr<v1::ExportTopologyResponse> exported) mutable {
        HubSettings settings = archives_->TopicSettingsNow();
        if (exported.ok()) {
          exported->mutable_topology()->clear_topics();
          settings.topology = exported->topology().SerializeAsString();
        }
        AddProgress(subscriptions_->catalog().List("", SIZE_MAX), &settings);
        done(std::move(settings));
      });
}

void Broker::SizeCaches(double share) {
  const auto part = [share](size_t bytes) {
    return static_cast<size_t>(share * static_cast<double>(bytes));
  };
  cache_.SetCapacity(part(options_.tail_cache_bytes));
  store_->SetBlockCacheBytes(part(options_.store.block_cache_bytes));
}

absl::Status Broker::writable() const {
  if (const absl::Status failure = writer_->failure(); !failure.ok()) return StoreFailed(failure);
  return disk_guard_ == nullptr ? absl::OkStatus() : disk_guard_->status();
}

absl::Status Broker::AdmitBytes(size_t bytes) {
  return disk_guard_ == nullptr ? absl::OkStatus() : disk_guard_->Admit(bytes);
}

v1::GetStatsResponse Broker::GetStats(const Caller& /*caller*/) const {
  v1::GetStatsResponse stats;
  const absl::Status status = writable();
  stats.set_writable(status.ok());
  stats.set_store_error(std::string(status.message()));
  topics_->AddTo(&stats);
  size_t consumers = 0;
  const auto subscriptions = subscriptions_->catalog().List("", SIZE_MAX);
  for (const auto& subscription : subscriptions) consumers += subscription->consumer_count();
  stats.set_subscriptions(static_cast<uint32_t>(subscriptions.size()));
  stats.set_consumers(static_cast<uint32_t>(consumers));
  stats.set_links(static_cast<uint32_t>(links_->catalog().size()));
  stats.set_hub_id(links_->hub_id());
  stats.set_routes(static_cast<uint32_t>(routes_->size()));
  stats.set_commits(writer_->counters().commits.value());
  stats.set_syncs(writer_->counters().syncs.value());
  stats.set_tail_cache_bytes(cache_.bytes());
  stats.set_tail_cache_hits(read_counters_.tail_batches.value());
  stats.set_cold_reads(read_counters_.cold_batches.value());
  stats.set_clock_doubt(std::string(clock_.doubt().message()));
  stats.set_disk_bytes(store_->DiskBytes());
  stats.set_disk_free_bytes(store_->DiskFreeBytes().value_or(0));
  AddMemoryTo(subscriptions, stats.mutable_memory());
  if (archives_ != nullptr) archives_->AddTo(&stats);
  return stats;
}

void Broker::AddMemoryTo(const SubscriptionCatalog::Subscriptions& subscriptions,
                         v1::MemoryStats* stats) const {
  AddMemoryShare({"tail_cache", cache_.bytes(), options_.tail_cache_bytes}, stats);
  AddMemoryShare({"block_cache", store_->block_cache_bytes(), options_.store.block_cache_bytes},
                 stats);
  AddMemoryShare({"write_buffers", store_->write_memory_bytes(), options_.store.write_memory_bytes},
                 stats);
  AddMemoryShare(
      {"pending", pending_memory_.used(), pending_memory_.limit()},
      [&] { return LargestPending(subscriptions); }, stats);
  AddMemoryShare(
      {"settlements", request_memory_.used(), request_memory_.limit()},
      [&] { return LargestHost(request_memory_); }, stats);
  AddMemoryShare(
      {"readers", reader_memory_.used(), reader_memory_.limit()},
      [&] { return LargestHost(reader_memory_); }, stats);
  AddMemoryShare(
      {"filters", filter_memory_.used(), filter_memory_.limit()},
      [] { return "; delete subscriptions and routes with filters, or shorten the filters"; },
      stats);
  AddMemoryShare({"links", link_memory_.used(), link_memory_.limit()}, stats);
  AddMemoryShare({"copies", copy_memory_.used(), copy_memory_.limit()}, stats);
  if (archives_ != nullptr) {
    AddMemoryShare({"history", history_memory_.used(), history_memory_.limit()}, stats);
  }
  AddMemoryShare({"producers", producer_memory_.used(), producer_memory_.limit()}, stats);
}

}  // namespace eventhub
