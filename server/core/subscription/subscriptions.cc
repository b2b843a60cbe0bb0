#include "server/core/subscription/subscriptions.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/subscription/subscription_settings.h"
#include "server/core/subscription/subscription_status.h"
#include "server/core/topic/start_position.h"
#include "server/core/topic/topic_log.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr size_t kMaxConsumerName = 256;

// The commit thread examines each range.
constexpr size_t kMaxRanges = 10'000;

// A commit that only waits: when it is done, so are all tasks before it in its flow.
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
                             TopicStore& topics, ReadCounters& reads, MemoryMeter& pending,
                             HostShares& requests, MemoryMeter& filters, const AdminLog& admin_log,
                             uint64_t generation, bool run_alarm)
    : topics_(topics),
      writer_(writer),
      admin_log_(admin_log),
      // The start is not 0: another hub that continues with a copy of the store has the same
      // generation.
      next_epoch_(generation << 32 | (store.runs().current(TopicId(0)) >> 33)),
      alarm_(clock, run_alarm),
      context_{store,    writer,      clock,      topics.catalog(), reads,    alarm_, parking_,
               history_, next_epoch_, generation, pending,          requests, filters} {}

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
  // Otherwise a power loss could hand the generation out again, and with it lease epochs that
  // consumers still hold.
  RETURN_IF_ERROR(store.Sync());
  return generation;
}

void Subscriptions::Stop() {
  alarm_.Stop();
  parking_.Stop();
  history_.Stop();
  // Completing a commit may need the background thread, which may need the writer.
  for (const CommitFlow flow : {ParkingFlow(), kHubFlow}) {
    std::promise<void> done;
    writer_.Submit(std::make_unique<BarrierTask>(done), flow);
    done.get_future().wait();
  }
  background_.Stop();
}

absl::StatusOr<std::unique_ptr<ConsumerSession>> Subscriptions::OpenConsumer(
    const Caller& caller, const v1::ConsumeRequest& first, absl::AnyInvocable<void()> wake) {
  RETURN_IF_ERROR(CheckOpen(first));
  ASSIGN_OR_RETURN(std::shared_ptr<Subscription> subscription,
                   catalog_.Require("open.subscription", first.open().subscription()));
  const uint64_t expected = first.open().subscription_id();
  if (expected != 0 && expected != subscription->incarnation()) {
    return OtherSubscription(subscription->name());
  }
  ConsumerOptions options;
  options.name = first.open().consumer().empty() ? caller.peer() : first.open().consumer();
  options.address = caller.peer();
  if (first.open().max_response_bytes() != 0) {
    options.max_frame_bytes = first.open().max_response_bytes();
  }
  options.memory = context_.request_memory.Of(caller.host());
  options.wake = std::move(wake);
  std::shared_ptr<Consumer> consumer = subscription->Open(std::move(options), first);
  return std::make_unique<ConsumerSession>(std::move(subscription), std::move(consumer));
}

// ---- Administration

void Subscriptions::Create(const Caller& caller, const v1::CreateSubscriptionRequest& request,
                           SubscriptionDone done) {
  const auto prepare = [&]() -> absl::StatusOr<std::unique_ptr<CommitTask>> {
    const std::string& name = request.subscription().topic();
    ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic,
                     topics_.catalog().Require("subscription.topic", name));
    const std::shared_ptr<const TopicView> view = topic->view();
    if (view->settings->retention().none()) return TopicKeepsNothing(name);
    ASSIGN_OR_RETURN(
        v1::Subscription settings,
        NewSubscriptionSettings(request.subscription(), *view->settings, context_.clock.Now()));
    v1::StartPosition start = request.start();
    if (start.position_case() == v1::StartPosition::POSITION_NOT_SET) start.set_latest(true);
    std::vector<Offset> offsets;
    done = admin_log_.Noting(
        caller, absl::StrCat("created subscription ", settings.name(), " of topic ", name),
        std::move(done));
    for (PartitionLog* log : view->partitions) {
      ASSIGN_OR_RETURN(const Offset offset, ResolveStart(start, name, *log, context_.store));
      offsets.push_back(offset);
    }
    return std::make_unique<CreateSubscriptionTask>(context_, topics_, catalog_, topic,
                                                    std::move(settings), std::move(offsets),
                                                    start.has_offset(), std::move(done));
  };
  absl::StatusOr<std::unique_ptr<CommitTask>> task = prepare();
  if (!task.ok()) {
    std::move(done)(task.status());
    return;
  }
  writer_.Submit(*std::move(task));
}

void Subscriptions::Update(const Caller& caller, const v1::UpdateSubscriptionRequest& request,
                           SubscriptionDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      catalog_.Require("subscription.name", request.subscription().name());
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  done = admin_log_.Noting(
      caller, UpdateNote("subscription", (*subscription)->name(), request.update_mask()),
      std::move(done));
  SubmitChange<v1::Subscription>(
      writer_, *subscription,
      [this, subscription = *subscription, request](CommitBuilder& commit,
                                                    v1::Subscription* response) -> absl::Status {
        const v1::Subscription& current = subscription->submitted().settings();
        ASSIGN_OR_RETURN(
            const v1::Subscription settings,
            ChangedSubscriptionSettings(current, request.subscription(), request.update_mask()));
        const std::string& letters = settings.dead_letter_topic();
        if (letters != current.dead_letter_topic()) {
          const std::shared_ptr<Topic> topic = topics_.catalog().Find(letters);
          if (topic == nullptr || topic->closing()) return TopicNotFound(letters);
          RETURN_IF_ERROR(CheckKeepsLetters(*topic));
        }
        if (!SameFilter(current, settings)) {
          RETURN_IF_ERROR(CheckFilterMemory(settings.filter(), context_.filter_memory));
        }
        subscription->Apply(commit, settings);
        *response = settings;
        return absl::OkStatus();
      },
      std::move(done));
}

void Subscriptions::Delete(const Caller& caller, const std::string& name, StatusDone done) {
  absl::StatusOr<std::shared_ptr<Subscription>> subscription = catalog_.Require("name", name);
  if (!subscription.ok()) {
    std::move(done)(subscription.status());
    return;
  }
  done = admin_log_.Noting(caller, absl::StrCat("deleted subscription ", name), std::move(done));
  writer_.Submit(std::make_unique<DeleteSubscriptionTask>(
      topics_, catalog_, *std::move(subscription), std::move(done)));
}

absl::StatusOr<v1::GetSubscriptionResponse> Subscriptions::Get(
    const Caller& /*caller*/, const v1::GetSubscriptionRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   catalog_.Require("name", request.name()));
  v1::GetSubscriptionResponse response;
  *response.mutable_subscription() = subscription->settings();
  std::vector<v1::SubscriptionPartition> partitions;
  const Subscription::Report report = subscription->MakeReport();
  *response.mutable_stats() = StatsOf(context_, report, &partitions);
  const std::vector<v1::ConsumerInfo> consumers = subscription->Consumers();
  for (std::string& finding :
       Findings(context_, *subscription, report, response.stats(), partitions, consumers)) {
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
    const Caller& /*caller*/, const v1::ListSubscriptionsRequest& request) const {
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
      *summary.mutable_stats() = StatsOf(context_, subscription->MakeReport(), nullptr);
      summary.set_consumers(static_cast<uint32_t>(subscription->consumer_count()));
    }
    if (page.size() < size) return response;
    after = page.back()->name();
  }
}

// ---- Expiry

absl::Status Subscriptions::Expire(OnExpired expired, absl::FunctionRef<bool()> cancelled) {
  absl::Status first;
  for (const std::shared_ptr<Subscription>& subscription : catalog_.List("", SIZE_MAX)) {
    if (cancelled()) return absl::CancelledError("expiry is cancelled");
    const absl::Duration expiry = ExpireAfterOf(subscription->settings());
    if (expiry == absl::InfiniteDuration()) continue;
    const absl::Time since = context_.clock.DeletionTime() - expiry;
    const absl::Time last_used = subscription->last_used();
    if (last_used > since) continue;
    const absl::Status status = AwaitOutcome([&](StatusDone done) {
      writer_.Submit(std::make_unique<DeleteSubscriptionTask>(topics_, catalog_, subscription,
                                                              std::move(done), since));
    });
    if (!absl::IsNotFound(status)) first.Update(status);
    // It may have been used meanwhile.
    if (status.ok() && catalog_.Find(subscription->name()) != subscription) {
      expired(subscription->name(), last_used);
    }
  }
  return first;
}

}  // namespace eventhub
