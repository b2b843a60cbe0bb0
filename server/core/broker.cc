#include "server/core/broker.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/hub_id.h"
#include "server/core/base/noted_time.h"
#include "server/core/base/timestamps.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr absl::Duration kReaderRetry = absl::Seconds(1);

}  // namespace

Broker::Broker(BrokerOptions options)
    : options_(std::move(options)),
      metrics_(options_.metrics != nullptr ? *options_.metrics : own_metrics_),
      clock_(*options_.clock),
      admin_log_(std::move(options_.on_admin_change)),
      cache_(options_.tail_cache_bytes),
      pending_memory_(options_.pending_bytes),
      producer_memory_(options_.producer_bytes),
      reader_memory_(options_.reader_bytes),
      filter_memory_(options_.filter_bytes) {}

absl::StatusOr<std::unique_ptr<Broker>> Broker::Open(BrokerOptions options) {
  std::unique_ptr<Broker> broker(new Broker(std::move(options)));
  RETURN_IF_ERROR(broker->Start());
  return broker;
}

absl::Status Broker::Start() {
  options_.store.clock = &clock_;
  ASSIGN_OR_RETURN(store_, LogStore::Open(options_.store));
  ASSIGN_OR_RETURN(const std::optional<absl::Time> noted, ReadNotedTime(*store_));
  clock_.Resume(noted);
  topic_store_ = std::make_unique<TopicStore>(*store_, catalog_, cache_, options_.max_partitions,
                                              options_.topic_limits);
  RETURN_IF_ERROR(topic_store_->Load());
  route_table_ = std::make_unique<RouteTable>(*topic_store_, filter_memory_);
  RETURN_IF_ERROR(route_table_->Load(*store_));
  topic_store_->Observe([this](const std::string& name) { route_table_->TopicChanged(name); });
  ASSIGN_OR_RETURN(const uint64_t generation, TakeGeneration(*store_, clock_.Now()));
  ASSIGN_OR_RETURN(std::string hub_id, TakeHubId(*store_, clock_.Now()));
  store_->runs().SetOrigin(LoadLittle64(absl::HexStringToBytes(hub_id).data()));
  writer_ = std::make_unique<LogWriter>(
      *store_, cache_, clock_, metrics_,
      [this](const absl::Status& failure) { options_.on_writable_change(StoreFailed(failure)); });
  transactions_ = std::make_shared<TransactionTable>(*store_);
  routes_ = std::make_unique<Routes>(*route_table_, catalog_, *writer_, clock_, admin_log_);
  subscriptions_ = std::make_unique<Subscriptions>(*store_, *writer_, clock_, *topic_store_,
                                                   read_counters_, pending_memory_, filter_memory_,
                                                   admin_log_, generation, options_.run_alarm);
  RETURN_IF_ERROR(subscriptions_->Load());
  for (const auto& subscription : subscriptions_->catalog().List("", SIZE_MAX)) {
    topic_store_->TakeAnyway(TopicStore::CostOf(subscription->topic()->pending()));
  }
  delayed_ = std::make_unique<DelayedEvents>(
      *store_, *writer_, clock_, catalog_, admin_log_, generation,
      DelayedEventsOptions{
          options_.run_alarm, [this] { return writable(); },
          [this](const absl::Status& error) { options_.on_background_error(error); }});
  RETURN_IF_ERROR(delayed_->Load());
  links_ = std::make_unique<Links>(*writer_, clock_, catalog_, delayed_->table(), admin_log_,
                                   std::move(hub_id), [this] { return writable(); });
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
                                     *writer_, clock_, admin_log_, [this](TopicId topic) {
                                       if (maintenance_ != nullptr)
                                         maintenance_->ReclaimSoon(topic);
                                     });
  topologies_ = std::make_unique<Topologies>(*topics_, *subscriptions_, *routes_, *links_);
  return absl::OkStatus();
}

Broker::~Broker() {
  if (store_ != nullptr) store_->StopWaitingForSpace();
  if (topologies_ != nullptr) topologies_->Stop();
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

void Broker::Publish(const Caller& caller, const PublishRequest& request, PublishDone done) {
  absl::StatusOr<std::shared_ptr<Topic>> topic = topics_->Find("topic", request.head.topic());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return;
  }
  const absl::Status refusal = AdmitBytes(request.events.size());
  absl::StatusOr<CheckedPublish> publish =
      refusal.ok() ? CheckPublish(request, **topic, delayed_->table()) : refusal;
  if (!publish.ok()) {
    (*topic)->counters().refused_requests.Add();
    std::move(done)(publish.status());
    return;
  }
  std::optional<Offset> expected;
  if (request.head.has_expected_offset()) expected = Offset(request.head.expected_offset());
  writer_->Submit(
      std::make_unique<AppendTask>(request.head,
                                   TopicAppend{*std::move(topic), expected,
                                               request.head.expected_run(), *std::move(publish)},
                                   std::move(done)),
      caller.flow());
}

absl::StatusOr<CheckedTransaction> Broker::CheckTransaction(
    const TransactionRequest& request) const {
  const v1::TransactRequest& head = request.head;
  CheckedTransaction checked;
  checked.id = head.transaction_id();
  const auto wants_sync = [&head](bool by_default) {
    return head.durability() == v1::DURABILITY_SYNCED ||
           (head.durability() == v1::DURABILITY_UNSPECIFIED && by_default);
  };
  if (head.has_acks()) {
    const std::string& name = head.acks().subscription();
    if (name.empty()) return InvalidField("acks.subscription", "is required");
    checked.subscription = subscriptions_->catalog().Find(name);
    if (checked.subscription == nullptr) return SubscriptionNotFound(name);
    checked.acks = head.acks();
    checked.synced =
        wants_sync(checked.subscription->settings().ack_durability() == v1::DURABILITY_SYNCED);
  }
  for (const v1::OffsetCheck& check : head.checks()) {
    ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic, topics_->Find("checks.topic", check.topic()));
    const std::shared_ptr<const TopicView> view = topic->view();
    if (check.partition() >= view->partitions.size()) {
      return PartitionNotFound(check.topic(), check.partition(), view->partitions.size());
    }
    checked.checks.push_back({std::move(topic), view->partitions[check.partition()],
                              Offset(check.expected_offset()), check.expected_run()});
  }
  for (const PublishRequest& append : request.appends) {
    ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic,
                     topics_->Find("appends.topic", append.head.topic()));
    if (!append.head.producer_id().empty()) {
      return InvalidField("appends.producer_id", "is for Publish; a transaction has an id");
    }
    ASSIGN_OR_RETURN(CheckedPublish publish, CheckPublish(append, *topic, delayed_->table()));
    checked.bytes += BytesOf(publish);
    checked.synced |= wants_sync(publish.synced);
    std::optional<Offset> expected;
    if (append.head.has_expected_offset()) expected = Offset(append.head.expected_offset());
    checked.appends.push_back(
        {std::move(topic), expected, append.head.expected_run(), std::move(publish)});
  }
  return checked;
}

void Broker::Transact(const Caller& caller, const TransactionRequest& request, TransactDone done) {
  size_t bytes = 0;
  for (const PublishRequest& append : request.appends) bytes += append.events.size();
  const absl::Status refusal = AdmitBytes(bytes);
  absl::StatusOr<CheckedTransaction> checked = refusal.ok() ? CheckTransaction(request) : refusal;
  if (!checked.ok()) {
    std::move(done)(checked.status());
    return;
  }
  writer_->Submit(
      std::make_unique<TransactTask>(transactions_, *std::move(checked), std::move(done)),
      caller.flow());
}

absl::StatusOr<std::unique_ptr<TopicReader>> Broker::OpenReader(const Caller& /*caller*/,
                                                                const v1::ReadRequest& request) {
  ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic, topics_->Find("topic", request.topic()));
  const size_t cost = TopicReader::Cost(request, *topic);
  std::optional<MemoryMeter::Lease> memory = reader_memory_.Take(cost);
  if (!memory.has_value()) return TooMuchForReaders(cost, reader_memory_.limit(), kReaderRetry);
  std::shared_ptr<StopTime> stop_at;
  if (request.follow() && request.has_stop_time()) {
    stop_at = StopTime::Start(ToTime(request.stop_time()), topic, clock_, subscriptions_->alarm(),
                              *writer_);
  }
  return TopicReader::Open(request, std::move(topic), *store_, read_counters_, std::move(stop_at),
                           *std::move(memory));
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
  const auto add = [&stats](const char* name, size_t used, size_t most) {
    v1::MemoryShare& share = *stats.mutable_memory()->add_shares();
    share.set_name(name);
    share.set_used_bytes(used);
    share.set_limit_bytes(most);
  };
  add("tail_cache", cache_.bytes(), options_.tail_cache_bytes);
  add("block_cache", store_->block_cache_bytes(), options_.store.block_cache_bytes);
  add("write_buffers", store_->write_memory_bytes(), options_.store.write_memory_bytes);
  add("pending", pending_memory_.used(), pending_memory_.limit());
  add("readers", reader_memory_.used(), reader_memory_.limit());
  add("filters", filter_memory_.used(), filter_memory_.limit());
  add("producers", producer_memory_.used(), producer_memory_.limit());
  return stats;
}

}  // namespace eventhub
