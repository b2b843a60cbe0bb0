#include "server/core/subscription/subscriptions.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/errors.h"
#include "server/core/field_checks.h"
#include "server/core/start_position.h"
#include "server/core/subscription/dead_letter_office.h"
#include "server/core/subscription/stored_time.h"
#include "server/core/subscription/subscription_settings.h"
#include "server/core/subscription/subscription_status.h"
#include "server/core/topic_settings.h"
#include "server/core/utf8.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr size_t kMaxConsumerName = 256;
constexpr uint32_t kLettersAtOnce = 1000;

// The commit thread has to look at each.
constexpr int kMaxRanges = 10'000;

int CountRanges(const v1::ConsumeRequest& request) {
  int count = 0;
  for (const v1::Ack& ack : request.acks()) count += 1 + ack.ranges_size();
  for (const v1::Nack& nack : request.nacks()) count += 1 + nack.ranges_size();
  for (const v1::LeaseExtension& e : request.extensions()) count += 1 + e.ranges_size();
  return count;
}

// A commit whose outcome is all that matters: when it is done, so is all that was before it.
class BarrierTask final : public CommitTask {
 public:
  explicit BarrierTask(std::promise<void>& done) : done_(done) {}
  void Prepare(CommitBuilder&) override {}
  void Done(const absl::Status&) override { done_.set_value(); }
  size_t bytes() const override { return 0; }
  bool synced() const override { return true; }

 private:
  std::promise<void>& done_;
};

absl::Status CheckOpen(const v1::ConsumeRequest& first) {
  const v1::ConsumeOpen& open = first.open();
  if (!first.has_open()) return InvalidField("open", "is required in the first request");
  if (open.consumer().size() > kMaxConsumerName) {
    return InvalidField("open.consumer", "has more than 256 bytes");
  }
  RETURN_IF_ERROR(CheckResponseBytes("open.max_response_bytes", open.max_response_bytes()));
  if (!first.acks().empty() || !first.nacks().empty() || !first.extensions().empty()) {
    return InvalidField("acks", "have nothing to settle in the first request");
  }
  return absl::OkStatus();
}

// Whether it can be what was kept of that partition.
bool IsSound(const stored::SnapshotPartition& kept, const PartitionLog& log) {
  const int ranges = kept.starts_size();
  const int64_t next = kept.next_offset();
  if (kept.counts_size() != ranges || kept.attempts_size() != ranges) return false;
  if (next < 0 || Offset(next) > log.end()) return false;
  int64_t last = 0;
  for (int i = 0; i < ranges; ++i) {
    const int64_t start = kept.starts(i);
    const int64_t count = kept.counts(i);
    if (start < last || start >= next || count == 0 || count > next - start) return false;
    last = start + count;
  }
  return true;
}

v1::Snapshot Describe(absl::string_view name, const stored::Snapshot& stored) {
  v1::Snapshot snapshot;
  snapshot.set_name(std::string(name));
  *snapshot.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(stored.create_time_micros());
  snapshot.set_lag_events(stored.lag_events());
  return snapshot;
}

}  // namespace

absl::Status ConsumerSession::Take(v1::ConsumeRequest request) {
  if (request.has_open()) return InvalidField("open", "may be in the first request only");
  if (CountRanges(request) > kMaxRanges) {
    return InvalidField("ranges", absl::StrCat("are more than ", kMaxRanges, " in one request"));
  }
  if (request.has_credit()) subscription_->SetCredit(*consumer_, request.credit());
  if (request.leave()) Leave(/*at_once=*/false);
  if (!request.acks().empty() || !request.nacks().empty() || !request.extensions().empty()) {
    subscription_->Settle(consumer_, std::move(request));
  }
  return absl::OkStatus();
}

Subscriptions::Subscriptions(const LogStore& store, LogWriter& writer, const Clock& clock,
                             TopicStore& topics, ReadCounters& reads, uint64_t generation,
                             bool run_alarm)
    : topics_(topics),
      writer_(writer),
      next_epoch_(generation << 32),
      alarm_(clock, run_alarm),
      context_{store, writer, clock, topics.catalog, reads, alarm_, background_, next_epoch_} {}

Subscriptions::~Subscriptions() = default;

absl::Status Subscriptions::Load() { return catalog_.Load(context_); }

absl::StatusOr<uint64_t> TakeGeneration(LogStore& store, absl::Time now) {
  ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                   store.Get(Column::kMeta, kGenerationKey));
  uint64_t generation = 1;
  if (stored.has_value()) {
    if (stored->size() != sizeof(uint64_t)) {
      return absl::DataLossError("the record of the hub's generation is damaged");
    }
    generation = LoadLittle64(stored->data()) + 1;
  }
  std::string record;
  AppendLittle64(&record, generation);
  CommitBuilder commit(store, now, record.size());
  commit.Put(Column::kMeta, kGenerationKey, record);
  RETURN_IF_ERROR(commit.Write(store));
  // Else a power loss gives it out again, and with it lease epochs that consumers still hold.
  RETURN_IF_ERROR(store.Sync());
  return generation;
}

void Subscriptions::Stop() {
  alarm_.Stop();
  // What commits still have to say may need the background thread, and that the writer.
  std::promise<void> done;
  writer_.Submit(std::make_unique<BarrierTask>(done));
  done.get_future().wait();
  background_.Stop();
}

absl::StatusOr<std::shared_ptr<Subscription>> Subscriptions::FindSubscription(
    absl::string_view field, absl::string_view name) const {
  if (name.empty()) return InvalidField(field, "is required");
  std::shared_ptr<Subscription> subscription = catalog_.Find(name);
  if (subscription == nullptr) return SubscriptionNotFound(name);
  return subscription;
}

absl::StatusOr<std::unique_ptr<ConsumerSession>> Subscriptions::OpenConsumer(
    const v1::ConsumeRequest& first, std::string address, absl::AnyInvocable<void()> wake) {
  RETURN_IF_ERROR(CheckOpen(first));
  ASSIGN_OR_RETURN(std::shared_ptr<Subscription> subscription,
                   FindSubscription("open.subscription", first.open().subscription()));
  ConsumerOptions options;
  options.name = first.open().consumer().empty() ? address : first.open().consumer();
  options.address = std::move(address);
  if (first.open().max_response_bytes() != 0) {
    options.max_frame_bytes = first.open().max_response_bytes();
  }
  options.wake = std::move(wake);
  std::shared_ptr<Consumer> consumer = subscription->Open(std::move(options), first);
  return std::make_unique<ConsumerSession>(std::move(subscription), std::move(consumer));
}

// ---- Administration

void Subscriptions::Create(const v1::CreateSubscriptionRequest& request, SubscriptionDone done) {
  const auto prepare = [&]() -> absl::StatusOr<std::unique_ptr<CommitTask>> {
    const std::string& name = request.subscription().topic();
    if (name.empty()) return InvalidField("subscription.topic", "is required");
    const std::shared_ptr<Topic> topic = topics_.catalog.Find(name);
    if (topic == nullptr) return TopicNotFound(name);
    const std::shared_ptr<const TopicView> view = topic->view();
    if (view->settings.retention().none()) return TopicKeepsNothing(name);
    ASSIGN_OR_RETURN(
        v1::Subscription settings,
        NewSubscriptionSettings(request.subscription(), view->settings, context_.clock.Now()));
    v1::StartPosition start = request.start();
    if (start.position_case() == v1::StartPosition::POSITION_NOT_SET) start.set_latest(true);
    std::vector<Offset> offsets;
    for (PartitionLog* log : view->partitions) {
      ASSIGN_OR_RETURN(const Offset offset, ResolveStart(start, name, *log, context_.store));
      offsets.push_back(offset);
    }
    return std::make_unique<CreateSubscriptionTask>(context_, topics_, catalog_, topic,
                                                    std::move(settings), std::move(offsets),
                                                    std::move(done));
  };
  absl::StatusOr<std::unique_ptr<CommitTask>> task = prepare();
  if (!task.ok()) {
    std::move(done)(task.status());
    return;
  }
  writer_.Submit(*std::move(task));
}

template <typename Response>
void Subscriptions::Change(std::shared_ptr<Subscription> subscription,
                           absl::AnyInvocable<absl::Status(CommitBuilder&, Response*)> change,
                           ResponseDone<Response> done) {
  auto response = std::make_shared<Response>();
  writer_.Submit(std::make_unique<ChangeSubscriptionTask>(
      std::move(subscription),
      [response, change = std::move(change)](CommitBuilder& commit) mutable {
        return change(commit, response.get());
      },
      [response, done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          std::move(done)(std::move(*response));
        } else {
          std::move(done)(status);
        }
      }));
}

void Subscriptions::Update(const v1::UpdateSubscriptionRequest& request, SubscriptionDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("subscription.name", request.subscription().name());
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  Change<v1::Subscription>(
      *subscription,
      [this, subscription = *subscription, request](CommitBuilder& commit,
                                                    v1::Subscription* response) -> absl::Status {
        const v1::Subscription current = subscription->settings();
        ASSIGN_OR_RETURN(
            const v1::Subscription settings,
            ChangedSubscriptionSettings(current, request.subscription(), request.update_mask()));
        const std::string& letters = settings.dead_letter_topic();
        if (letters != current.dead_letter_topic()) {
          const std::shared_ptr<Topic> topic = topics_.catalog.Find(letters);
          if (topic == nullptr || topic->closing()) return TopicNotFound(letters);
          if (topic->keeps_nothing()) return TopicKeepsNothing(letters);
        }
        subscription->Apply(commit, settings);
        *response = settings;
        return absl::OkStatus();
      },
      std::move(done));
}

void Subscriptions::Delete(const std::string& name, StatusDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription = FindSubscription("name", name);
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  writer_.Submit(std::make_unique<DeleteSubscriptionTask>(catalog_, *std::move(subscription),
                                                          std::move(done)));
}

absl::StatusOr<v1::GetSubscriptionResponse> Subscriptions::Get(
    const v1::GetSubscriptionRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("name", request.name()));
  v1::GetSubscriptionResponse response;
  *response.mutable_subscription() = subscription->settings();
  std::vector<v1::SubscriptionPartition> partitions;
  *response.mutable_stats() = StatsOf(context_, *subscription, &partitions);
  const std::vector<v1::ConsumerInfo> consumers = subscription->Consumers();
  for (std::string& finding :
       Findings(context_, *subscription, response.stats(), partitions, consumers)) {
    response.add_findings(std::move(finding));
  }
  std::sort(partitions.begin(), partitions.end(), [](const auto& a, const auto& b) {
    return std::make_pair(b.lag_events(), a.partition()) <
           std::make_pair(a.lag_events(), b.partition());
  });
  partitions.resize(std::min(partitions.size(), PageSize(request.max_partitions())));
  for (v1::SubscriptionPartition& p : partitions) *response.add_partitions() = std::move(p);
  for (const v1::ConsumerInfo& consumer : consumers) *response.add_consumers() = consumer;
  return response;
}

absl::StatusOr<v1::ListSubscriptionsResponse> Subscriptions::List(
    const v1::ListSubscriptionsRequest& request) const {
  const size_t size = PageSize(request.page_size());
  v1::ListSubscriptionsResponse response;
  std::string after = request.page_token();
  for (;;) {
    const SubscriptionCatalog::Subscriptions page = catalog_.List(after, size);
    for (const std::shared_ptr<Subscription>& subscription : page) {
      if (!request.topic().empty() && subscription->topic()->name() != request.topic()) continue;
      if (static_cast<size_t>(response.subscriptions_size()) == size) {
        response.set_next_page_token(
            response.subscriptions(response.subscriptions_size() - 1).subscription().name());
        return response;
      }
      v1::SubscriptionSummary& summary = *response.add_subscriptions();
      *summary.mutable_subscription() = subscription->settings();
      *summary.mutable_stats() = StatsOf(context_, *subscription, nullptr);
      summary.set_consumers(static_cast<uint32_t>(subscription->consumer_count()));
    }
    if (page.size() < size) return response;
    after = page.back()->name();
  }
}

// ---- Moving

absl::StatusOr<std::vector<Subscription::Place>> Subscriptions::PlacesOf(
    const v1::SeekSubscriptionRequest& request, const Subscription& subscription) const {
  const std::shared_ptr<const TopicView> view = subscription.topic()->view();
  std::vector<std::optional<Subscription::Place>> places(view->partitions.size());
  if (request.target_case() == v1::SeekSubscriptionRequest::kSnapshot) {
    ASSIGN_OR_RETURN(
        const std::optional<std::string> stored,
        context_.store.Get(Column::kCursors, SnapshotKey(subscription.id(), request.snapshot())));
    if (!stored.has_value()) return SnapshotNotFound(subscription.name(), request.snapshot());
    stored::Snapshot snapshot;
    if (!snapshot.ParseFromString(*stored)) {
      return absl::DataLossError(absl::StrCat("snapshot ", request.snapshot(), " is damaged"));
    }
    for (const stored::SnapshotPartition& partition : snapshot.partitions()) {
      if (partition.partition() >= places.size() ||
          !IsSound(partition, *view->partitions[partition.partition()])) {
        return absl::DataLossError(absl::StrCat("snapshot ", request.snapshot(), " is damaged"));
      }
      places[partition.partition()] = {
          PartitionId(partition.partition()), Offset(partition.next_offset()), {partition}};
    }
  } else if (request.target_case() == v1::SeekSubscriptionRequest::kStart) {
    for (PartitionLog* log : view->partitions) {
      ASSIGN_OR_RETURN(
          const Offset offset,
          ResolveStart(request.start(), subscription.topic()->name(), *log, context_.store));
      places[log->id().value()] = {log->id(), offset, {}};
    }
  } else if (request.offsets().empty()) {
    return InvalidField("target", "is required: a start, a snapshot, or offsets");
  }
  for (const v1::PartitionOffset& exact : request.offsets()) {
    if (exact.partition() >= places.size()) {
      return PartitionNotFound(subscription.topic()->name(), exact.partition(), places.size());
    }
    PartitionLog* const log = view->partitions[exact.partition()];
    v1::StartPosition start;
    start.set_offset(exact.offset());
    ASSIGN_OR_RETURN(const Offset offset,
                     ResolveStart(start, subscription.topic()->name(), *log, context_.store));
    places[exact.partition()] = {log->id(), offset, {}};
  }
  std::vector<Subscription::Place> list;
  for (std::optional<Subscription::Place>& place : places) {
    if (place.has_value()) list.push_back(*std::move(place));
  }
  return list;
}

void Subscriptions::Seek(const v1::SeekSubscriptionRequest& request,
                         ResponseDone<v1::SeekSubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("name", request.name());
  absl::StatusOr<std::vector<Subscription::Place>> places =
      subscription.ok() ? PlacesOf(request, **subscription) : subscription.status();
  if (!places.ok()) {
    std::move(done)(places.status());
    return;
  }
  v1::SeekSubscriptionResponse response;
  for (const v1::PartitionMove& move : (*subscription)->DescribeMoves(*places)) {
    *response.add_moves() = move;
  }
  if (request.dry_run()) {
    std::move(done)(std::move(response));
    return;
  }
  Change<v1::SeekSubscriptionResponse>(
      *subscription,
      [subscription = *subscription, places = *std::move(places), response = std::move(response)](
          CommitBuilder& commit, v1::SeekSubscriptionResponse* answer) {
        subscription->Seek(commit, places);
        *answer = response;
        return absl::OkStatus();
      },
      std::move(done));
}

namespace {

// The ranges that a replay is about.
absl::StatusOr<PartitionRanges> RangesOf(const v1::ReplaySubscriptionRequest& request,
                                         const Topic& topic, const LogStore& store) {
  if (request.start().position_case() == v1::StartPosition::POSITION_NOT_SET) {
    return InvalidField("start", "is required");
  }
  const std::shared_ptr<const TopicView> view = topic.view();
  std::vector<uint32_t> partitions(request.partitions().begin(), request.partitions().end());
  if (partitions.empty()) {
    for (PartitionLog* log : view->partitions) partitions.push_back(log->id().value());
  }
  std::sort(partitions.begin(), partitions.end());
  PartitionRanges ranges;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const uint32_t p = partitions[i];
    if (p >= view->partitions.size()) {
      return PartitionNotFound(topic.name(), p, view->partitions.size());
    }
    if (i > 0 && partitions[i - 1] == p) {
      return InvalidField("partitions", absl::StrCat("names partition ", p, " twice"));
    }
    PartitionLog& log = *view->partitions[p];
    ASSIGN_OR_RETURN(const Offset start, ResolveStart(request.start(), topic.name(), log, store));
    Offset end = log.end();
    if (request.has_stop_offset()) end = std::min(end, Offset(request.stop_offset()));
    if (request.has_stop_time()) {
      ASSIGN_OR_RETURN(const Offset stop, SeekTime(log, store, ToTime(request.stop_time())));
      end = std::min(end, stop);
    }
    if (start < end) ranges.push_back({log.id(), start, end});
  }
  return ranges;
}

void Describe(const PartitionRanges& ranges, v1::ReplaySubscriptionResponse* response) {
  for (const PartitionRange& range : ranges) {
    v1::TrimmedRange& described = *response->add_ranges();
    described.set_partition(range.partition.value());
    described.mutable_range()->set_start(range.start.value());
    described.mutable_range()->set_end(range.end.value());
  }
}

}  // namespace

void Subscriptions::Replay(const v1::ReplaySubscriptionRequest& request,
                           ResponseDone<v1::ReplaySubscriptionResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("name", request.name());
  absl::StatusOr<PartitionRanges> ranges =
      subscription.ok() ? RangesOf(request, *(*subscription)->topic(), context_.store)
                        : subscription.status();
  if (!ranges.ok()) {
    std::move(done)(ranges.status());
    return;
  }
  (*subscription)->CutToDelivered(*ranges);
  v1::ReplaySubscriptionResponse response;
  Describe(*ranges, &response);
  if (request.dry_run()) {
    response.set_events(static_cast<uint64_t>((*subscription)->CountReplay(*ranges)));
    std::move(done)(std::move(response));
    return;
  }
  Change<v1::ReplaySubscriptionResponse>(
      *subscription,
      [subscription = *subscription, ranges = *std::move(ranges), response = std::move(response),
       limit = request.rate_limit()](CommitBuilder& commit,
                                     v1::ReplaySubscriptionResponse* answer) {
        *answer = response;
        subscription->SetReplayRate(commit, limit);
        answer->set_events(static_cast<uint64_t>(subscription->Replay(commit, ranges)));
        return absl::OkStatus();
      },
      std::move(done));
}

void Subscriptions::CancelReplays(const std::string& name,
                                  ResponseDone<v1::CancelReplaysResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription = FindSubscription("name", name);
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  Change<v1::CancelReplaysResponse>(
      *subscription,
      [subscription = *subscription](CommitBuilder& commit, v1::CancelReplaysResponse* response) {
        response->set_events(static_cast<uint64_t>(subscription->CancelReplays(commit)));
        return absl::OkStatus();
      },
      std::move(done));
}

// ---- Snapshots

void Subscriptions::CreateSnapshot(const v1::CreateSnapshotRequest& request,
                                   ResponseDone<v1::CreateSnapshotResponse> done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("subscription", request.subscription());
  const absl::Status status =
      subscription.ok() ? CheckName("name", request.name()) : subscription.status();
  if (!status.ok()) {
    std::move(done)(status);
    return;
  }
  Change<v1::CreateSnapshotResponse>(
      *subscription,
      [this, subscription = *subscription, name = request.name()](
          CommitBuilder& commit, v1::CreateSnapshotResponse* response) -> absl::Status {
        const std::string key = SnapshotKey(subscription->id(), name);
        ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                         context_.store.Get(Column::kCursors, key));
        if (stored.has_value()) return SnapshotExists(subscription->name(), name);
        const stored::Snapshot snapshot = subscription->TakeSnapshot();
        commit.Put(Column::kCursors, key, snapshot.SerializeAsString());
        *response->mutable_snapshot() = Describe(name, snapshot);
        return absl::OkStatus();
      },
      std::move(done));
}

absl::StatusOr<v1::ListSnapshotsResponse> Subscriptions::ListSnapshots(
    const std::string& name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("subscription", name));
  v1::ListSnapshotsResponse response;
  absl::Status status;
  RETURN_IF_ERROR(context_.store.Scan(
      Column::kCursors, SnapshotPrefix(subscription->id()),
      [&](absl::string_view encoded, absl::string_view value) {
        const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
        stored::Snapshot snapshot;
        if (!key.has_value() ||
            !snapshot.ParseFromArray(value.data(), static_cast<int>(value.size())) ||
            !IsStoredTime(snapshot.create_time_micros())) {
          status = absl::DataLossError(absl::StrCat("a snapshot of ", name, " is damaged"));
          return false;
        }
        *response.add_snapshots() = Describe(key->name, snapshot);
        return true;
      }));
  RETURN_IF_ERROR(status);
  return response;
}

void Subscriptions::DeleteSnapshot(const v1::DeleteSnapshotRequest& request, StatusDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      FindSubscription("subscription", request.subscription());
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  writer_.Submit(std::make_unique<ChangeSubscriptionTask>(
      *subscription,
      [this, subscription = *subscription,
       name = request.name()](CommitBuilder& commit) -> absl::Status {
        const std::string key = SnapshotKey(subscription->id(), name);
        ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                         context_.store.Get(Column::kCursors, key));
        if (!stored.has_value()) return SnapshotNotFound(subscription->name(), name);
        commit.Delete(Column::kCursors, key);
        return absl::OkStatus();
      },
      std::move(done)));
}

// ---- Dead letters

absl::StatusOr<v1::ListDeadLettersResponse> Subscriptions::ListDeadLetters(
    const v1::ListDeadLettersRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("subscription", request.subscription()));
  v1::ListDeadLettersResponse response;
  const DeadLetterQuery query{request.selector(), true, request.with_data(),
                              PageSize(request.page_size())};
  ASSIGN_OR_RETURN(DeadLetterPage page,
                   FindDeadLetters(context_, *subscription, query, request.page_token()));
  for (v1::DeadLetter& letter : page.letters) *response.add_dead_letters() = std::move(letter);
  response.set_next_page_token(page.next);
  return response;
}

absl::StatusOr<v1::RedriveDeadLettersResponse> Subscriptions::RedriveDeadLetters(
    const v1::RedriveDeadLettersRequest& request) {
  ASSIGN_OR_RETURN(const uint64_t events,
                   CloseLetters(request.subscription(), request.has_selector(), request.selector(),
                                request.dry_run(), /*redrive=*/true));
  v1::RedriveDeadLettersResponse response;
  response.set_events(events);
  return response;
}

absl::StatusOr<v1::DiscardDeadLettersResponse> Subscriptions::DiscardDeadLetters(
    const v1::DiscardDeadLettersRequest& request) {
  ASSIGN_OR_RETURN(const uint64_t events,
                   CloseLetters(request.subscription(), request.has_selector(), request.selector(),
                                request.dry_run(), /*redrive=*/false));
  v1::DiscardDeadLettersResponse response;
  response.set_events(events);
  return response;
}

absl::StatusOr<uint64_t> Subscriptions::CloseLetters(const std::string& name, bool has_selector,
                                                     const v1::DeadLetterSelector& selector,
                                                     bool dry_run, bool redrive) {
  if (!has_selector) return InvalidField("selector", "is required; an empty one picks all");
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("subscription", name));
  const DeadLetterQuery query{selector, false, false, kLettersAtOnce};
  uint64_t events = 0;
  std::string after;
  do {
    ASSIGN_OR_RETURN(DeadLetterPage page, FindDeadLetters(context_, *subscription, query, after));
    after = page.next;
    if (dry_run || page.found.empty()) {
      events += page.found.size();
      continue;
    }
    std::promise<absl::StatusOr<int64_t>> closed;
    writer_.Submit(std::make_unique<CloseLettersTask>(
        context_, subscription, std::move(page.found), redrive,
        [&closed](absl::StatusOr<int64_t> count) { closed.set_value(std::move(count)); }));
    ASSIGN_OR_RETURN(const int64_t count, closed.get_future().get());
    events += static_cast<uint64_t>(count);
  } while (!after.empty());
  return events;
}

// ---- Housekeeping

std::optional<Offset> Subscriptions::SettledBefore(const Topic& topic,
                                                   PartitionId partition) const {
  std::optional<Offset> settled;
  for (const std::shared_ptr<Subscription>& subscription : catalog_.Of(topic)) {
    const Offset acked = subscription->AckedOffset(partition);
    settled = settled.has_value() ? std::min(*settled, acked) : acked;
  }
  return settled;
}

absl::Status Subscriptions::Expire() {
  absl::Status first;
  for (const std::shared_ptr<Subscription>& subscription : catalog_.List("", SIZE_MAX)) {
    const absl::Duration expiry = ExpireAfterOf(subscription->settings());
    if (expiry == absl::InfiniteDuration()) continue;
    const absl::Time since = context_.clock.Now() - expiry;
    if (subscription->last_used() > since) continue;
    std::promise<absl::Status> done;
    writer_.Submit(std::make_unique<DeleteSubscriptionTask>(
        catalog_, subscription, [&done](absl::Status status) { done.set_value(status); }, since));
    const absl::Status status = done.get_future().get();
    if (!absl::IsNotFound(status)) first.Update(status);
  }
  return first;
}

}  // namespace eventhub
