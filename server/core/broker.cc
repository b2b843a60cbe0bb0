#include "server/core/broker.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/errors.h"
#include "server/core/field_checks.h"
#include "server/core/hub_id.h"
#include "server/core/noted_time.h"
#include "server/core/start_position.h"
#include "server/core/topic_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr absl::Duration kReaderRetry = absl::Seconds(1);

v1::PartitionInfo Describe(const PartitionLog& log) {
  v1::PartitionInfo info;
  info.set_partition(log.id().value());
  const Offset start = log.start();  // Before the end, which only grows.
  info.set_start_offset(start.value());
  info.set_bytes(log.bytes());
  info.set_end_offset(log.end().value());
  if (log.end() > start) {
    *info.mutable_last_append_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
        absl::ToUnixMicros(log.last_append_time()));
  }
  return info;
}

void AddTo(v1::TopicStats* sum, const v1::TopicStats& stats) {
  sum->set_events(sum->events() + stats.events());
  sum->set_bytes(sum->bytes() + stats.bytes());
  sum->set_published_events(sum->published_events() + stats.published_events());
  sum->set_published_bytes(sum->published_bytes() + stats.published_bytes());
  sum->set_delivered_events(sum->delivered_events() + stats.delivered_events());
  sum->set_delivered_bytes(sum->delivered_bytes() + stats.delivered_bytes());
  sum->set_refused_requests(sum->refused_requests() + stats.refused_requests());
  sum->set_routed_events(sum->routed_events() + stats.routed_events());
  sum->set_unrouted_events(sum->unrouted_events() + stats.unrouted_events());
  sum->set_readers(sum->readers() + stats.readers());
  sum->set_duplicate_events(sum->duplicate_events() + stats.duplicate_events());
  sum->set_delayed_events(sum->delayed_events() + stats.delayed_events());
  sum->set_held_back_bytes(sum->held_back_bytes() + stats.held_back_bytes());
}

bool IsOpenLetters(const absl::Status& status) {
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  return detail.has_value() && detail->reason() == v1::ErrorDetail::REASON_OPEN_DEAD_LETTERS;
}

}  // namespace

Broker::Broker(BrokerOptions options)
    : options_(std::move(options)),
      clock_(*options_.clock),
      cache_(options_.tail_cache_bytes),
      pending_memory_(options_.pending_bytes),
      producer_memory_(options_.producer_bytes),
      reader_memory_(options_.reader_bytes) {}

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
  RETURN_IF_ERROR(catalog_.Load(*store_));
  RETURN_IF_ERROR(route_table_.Load(*store_));
  ASSIGN_OR_RETURN(const std::optional<std::string> next_id,
                   store_->Get(Column::kMeta, kNextTopicIdKey));
  topics_ = std::make_unique<TopicStore>(TopicStore{*store_, catalog_, cache_, route_table_,
                                                    options_.max_partitions, options_.topic_limits,
                                                    TopicId(1)});
  for (const auto& topic : catalog_.List("", SIZE_MAX)) {
    topics_->partitions += TopicStore::CostOf(topic->pending());
  }
  if (next_id.has_value()) {
    if (next_id->size() != sizeof(uint32_t)) {
      return absl::DataLossError("the record of the next topic id is damaged");
    }
    topics_->next_id = TopicId(LoadLittle32(next_id->data()));
  }
  ASSIGN_OR_RETURN(const uint64_t generation, TakeGeneration(*store_, clock_.Now()));
  ASSIGN_OR_RETURN(std::string hub_id, TakeHubId(*store_, clock_.Now()));
  store_->runs().SetOrigin(LoadLittle64(absl::HexStringToBytes(hub_id).data()));
  writer_ = std::make_unique<LogWriter>(
      *store_, cache_, clock_,
      [this](const absl::Status& failure) { options_.on_writable_change(StoreFailed(failure)); });
  transactions_ = std::make_shared<TransactionTable>(*store_);
  routes_ = std::make_unique<Routes>(route_table_, catalog_, *writer_, clock_);
  subscriptions_ =
      std::make_unique<Subscriptions>(*store_, *writer_, clock_, *topics_, read_counters_,
                                      pending_memory_, generation, options_.run_alarm);
  RETURN_IF_ERROR(subscriptions_->Load());
  for (const auto& subscription : subscriptions_->catalog().List("", SIZE_MAX)) {
    topics_->partitions += TopicStore::CostOf(subscription->topic()->pending());
  }
  delayed_ = std::make_unique<DelayedEvents>(
      *store_, *writer_, clock_, catalog_, generation,
      DelayedEventsOptions{
          options_.run_alarm, [this] { return writable(); },
          [this](const absl::Status& error) { options_.on_background_error(error); }});
  RETURN_IF_ERROR(delayed_->Load());
  links_ = std::make_unique<Links>(*writer_, clock_, catalog_, delayed_->table(), std::move(hub_id),
                                   [this] { return writable(); });
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
  topologies_ = std::make_unique<Topologies>(*this, catalog_, *subscriptions_, *routes_, *links_);
  return absl::OkStatus();
}

Broker::~Broker() {
  if (store_ != nullptr) store_->StopWaitingForSpace();
  if (topologies_ != nullptr) topologies_->Stop();
  // They submit to the writer, whose tasks tell them of what became of it.
  if (maintenance_ != nullptr) maintenance_->Stop();
  if (delayed_ != nullptr) delayed_->Stop();
  if (subscriptions_ != nullptr) subscriptions_->Stop();
  if (maintenance_ != nullptr && clock_.doubt().ok()) {
    writer_->Submit(std::make_unique<NoteTimeTask>());
  }
  writer_.reset();
}

absl::Time Broker::ConfirmClock() {
  clock_.Confirm();
  writer_->Submit(std::make_unique<NoteTimeTask>());
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

absl::StatusOr<std::shared_ptr<Topic>> Broker::FindTopic(absl::string_view field,
                                                         absl::string_view name) const {
  if (name.empty()) return InvalidField(field, "is required");
  std::shared_ptr<Topic> topic = catalog_.Find(name);
  if (topic == nullptr) return TopicNotFound(name);
  return topic;
}

void Broker::Publish(const PublishRequest& request, PublishDone done) {
  absl::StatusOr<std::shared_ptr<Topic>> topic = FindTopic("topic", request.head.topic());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return;
  }
  const absl::Status refusal = AdmitBytes(request.events.size());
  absl::StatusOr<CheckedPublish> publish =
      refusal.ok() ? CheckPublish(request, **topic, delayed_->table()) : refusal;
  if (!publish.ok()) {
    (*topic)->counters().refused_requests.fetch_add(1, std::memory_order_relaxed);
    std::move(done)(publish.status());
    return;
  }
  std::optional<Offset> expected;
  if (request.head.has_expected_offset()) expected = Offset(request.head.expected_offset());
  writer_->Submit(std::make_unique<AppendTask>(
      request.head,
      TopicAppend{*std::move(topic), expected, request.head.expected_run(), *std::move(publish)},
      std::move(done)));
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
    ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic, FindTopic("checks.topic", check.topic()));
    const std::shared_ptr<const TopicView> view = topic->view();
    if (check.partition() >= view->partitions.size()) {
      return PartitionNotFound(check.topic(), check.partition(), view->partitions.size());
    }
    checked.checks.push_back({std::move(topic), view->partitions[check.partition()],
                              Offset(check.expected_offset()), check.expected_run()});
  }
  for (const PublishRequest& append : request.appends) {
    ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic, FindTopic("appends.topic", append.head.topic()));
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

void Broker::Transact(const TransactionRequest& request, TransactDone done) {
  size_t bytes = 0;
  for (const PublishRequest& append : request.appends) bytes += append.events.size();
  const absl::Status refusal = AdmitBytes(bytes);
  absl::StatusOr<CheckedTransaction> checked = refusal.ok() ? CheckTransaction(request) : refusal;
  if (!checked.ok()) {
    std::move(done)(checked.status());
    return;
  }
  writer_->Submit(
      std::make_unique<TransactTask>(transactions_, *std::move(checked), std::move(done)));
}

absl::StatusOr<std::unique_ptr<TopicReader>> Broker::OpenReader(const v1::ReadRequest& request) {
  ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic, FindTopic("topic", request.topic()));
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

void Broker::CreateTopic(const v1::Topic& topic, TopicDone done) {
  absl::StatusOr<v1::Topic> settings = NewTopicSettings(topic, options_.topic_limits, clock_.Now());
  if (!settings.ok()) {
    std::move(done)(settings.status());
    return;
  }
  writer_->Submit(
      std::make_unique<CreateTopicTask>(*topics_, *std::move(settings), std::move(done)));
}

void Broker::UpdateTopic(const v1::UpdateTopicRequest& request, TopicDone done) {
  absl::StatusOr<std::shared_ptr<Topic>> topic = FindTopic("topic.name", request.topic().name());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return;
  }
  const TopicId id = (*topic)->id();
  writer_->Submit(std::make_unique<UpdateTopicTask>(
      *topics_, subscriptions_->catalog(), *std::move(topic), request,
      [this, id, done = std::move(done)](absl::StatusOr<v1::Topic> changed) mutable {
        if (changed.ok() && changed->retention().none() && maintenance_ != nullptr) {
          maintenance_->ReclaimSoon(id);
        }
        std::move(done)(std::move(changed));
      }));
}

void Broker::DeleteTopic(const v1::DeleteTopicRequest& request, StatusDone done,
                         std::function<bool()> cancelled) {
  absl::StatusOr<std::shared_ptr<Topic>> topic = FindTopic("name", request.name());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return;
  }
  writer_->Submit(std::make_unique<DeleteTopicTask>(
      *topics_, subscriptions_->catalog(), links_->catalog(), *topic, request,
      [this, topic = *topic, request, done = std::move(done),
       cancelled = std::move(cancelled)](absl::Status status) mutable {
        if (status.ok() && maintenance_ != nullptr) maintenance_->ReclaimSoon(topic->id());
        if (!request.discard_dead_letters() || !IsOpenLetters(status)) {
          return std::move(done)(std::move(status));
        }
        // Nothing else is in the way.
        subscriptions_->DiscardLettersIn(std::move(topic), cancelled,
                                         [this, request, done = std::move(done),
                                          cancelled](const absl::Status& discarded) mutable {
                                           if (!discarded.ok()) return std::move(done)(discarded);
                                           DeleteTopic(request, std::move(done),
                                                       std::move(cancelled));
                                         });
      }));
}

absl::StatusOr<v1::GetTopicResponse> Broker::GetTopic(const std::string& name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, FindTopic("name", name));
  v1::GetTopicResponse response;
  *response.mutable_topic() = *topic->view()->settings;
  *response.mutable_stats() = topic->Stats();
  if (std::string why = topic->held_back().why; !why.empty()) response.add_findings(std::move(why));
  return response;
}

absl::StatusOr<v1::ListTopicsResponse> Broker::ListTopics(
    const v1::ListTopicsRequest& request) const {
  const size_t size = PageSize(request.page_size());
  const auto topics = catalog_.List(request.page_token(), size + 1);
  v1::ListTopicsResponse response;
  for (size_t i = 0; i < std::min(size, topics.size()); ++i) {
    *response.add_topics() = *topics[i]->view()->settings;
  }
  if (topics.size() > size) response.set_next_page_token(topics[size - 1]->name());
  return response;
}

absl::StatusOr<v1::ListPartitionsResponse> Broker::ListPartitions(
    const v1::ListPartitionsRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, FindTopic("topic", request.topic()));
  const std::shared_ptr<const TopicView> view = topic->view();
  uint32_t first = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &first)) {
    return InvalidField("page_token", "is not one of ListPartitions");
  }
  v1::ListPartitionsResponse response;
  const size_t last = std::min(first + PageSize(request.page_size()), view->partitions.size());
  for (size_t p = first; p < last; ++p) *response.add_partitions() = Describe(*view->partitions[p]);
  if (last < view->partitions.size()) response.set_next_page_token(absl::StrCat(last));
  return response;
}

v1::GetStatsResponse Broker::GetStats() const {
  v1::GetStatsResponse stats;
  const absl::Status status = writable();
  stats.set_writable(status.ok());
  stats.set_store_error(std::string(status.message()));
  size_t partitions = 0;
  const auto topics = catalog_.List("", std::numeric_limits<size_t>::max());
  for (const std::shared_ptr<Topic>& topic : topics) {
    partitions += topic->view()->partitions.size();
    AddTo(stats.mutable_totals(), topic->Stats());
  }
  stats.set_topics(static_cast<uint32_t>(topics.size()));
  stats.set_partitions(static_cast<uint32_t>(partitions));
  size_t consumers = 0;
  const auto subscriptions = subscriptions_->catalog().List("", SIZE_MAX);
  for (const auto& subscription : subscriptions) consumers += subscription->consumer_count();
  stats.set_subscriptions(static_cast<uint32_t>(subscriptions.size()));
  stats.set_consumers(static_cast<uint32_t>(consumers));
  stats.set_links(static_cast<uint32_t>(links_->catalog().size()));
  stats.set_hub_id(links_->hub_id());
  stats.set_routes(static_cast<uint32_t>(routes_->size()));
  stats.set_commits(writer_->counters().commits.load(std::memory_order_relaxed));
  stats.set_syncs(writer_->counters().syncs.load(std::memory_order_relaxed));
  stats.set_tail_cache_bytes(cache_.bytes());
  stats.set_tail_cache_hits(read_counters_.tail_batches.load(std::memory_order_relaxed));
  stats.set_cold_reads(read_counters_.cold_batches.load(std::memory_order_relaxed));
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
  add("producers", producer_memory_.used(), producer_memory_.limit());
  return stats;
}

}  // namespace eventhub
