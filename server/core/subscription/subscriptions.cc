#include "server/core/subscription/subscriptions.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/subscription/subscription_settings.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr size_t kMaxConsumerName = 256;

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
                             MemoryMeter& filters, uint64_t generation, bool run_alarm)
    : topics_(topics),
      writer_(writer),
      // Not from 0: another hub that goes on with a copy of the store has the same generation.
      next_epoch_(generation << 32 | (store.runs().current(TopicId(0)) >> 33)),
      alarm_(clock, run_alarm),
      context_{store,    writer,      clock,      topics.catalog(), reads,  alarm_,
               parking_, next_epoch_, generation, pending,          filters} {}

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
  parking_.Stop();
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
  const uint64_t expected = first.open().subscription_id();
  if (expected != 0 && expected != subscription->incarnation()) {
    return OtherSubscription(subscription->name());
  }
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

// ---- Housekeeping

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
