// Consume requests with any content: for each kind of subscription, a request is refused or
// answered by one settlement, and leaves the subscription consistent.
#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "storage/base/mutex.h"
#include "tests/fuzz/memory_broker.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

constexpr uint32_t kPartitions = 2;
constexpr int kEventsEach = 24;
constexpr int64_t kEvents = kPartitions * kEventsEach;
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kQueue[] = "queue";
constexpr char kByKey[] = "by-key";
constexpr char kStream[] = "stream";

void PublishEvents(Broker& broker) {
  for (int i = 0; i < kEvents; i += 4) {
    v1::PublishRequest request;
    request.set_topic("t");
    request.set_partition(static_cast<uint32_t>(i / 4) % kPartitions);
    for (int e = i; e < i + 4; ++e) {
      v1::Event& event = *request.add_events();
      event.set_id(std::to_string(e));
      event.set_source("/fuzz");
      event.set_type("fuzz");
      event.set_partition_key(std::to_string(e % 3));
    }
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
    FUZZ_CHECK(parsed.ok() && Publish(broker, *parsed).ok());
  }
}

void CreateSubscription(Broker& broker, const std::string& name, v1::Subscription::Kind kind) {
  v1::CreateSubscriptionRequest request;
  v1::Subscription& settings = *request.mutable_subscription();
  settings.set_name(name);
  settings.set_topic("t");
  settings.set_kind(kind);
  settings.set_ordered_by_key(name == kByKey);
  settings.set_max_delivery_attempts(2);
  std::promise<bool> created;
  broker.subscriptions().Create(kTester, request, [&](const absl::StatusOr<v1::Subscription>& s) {
    created.set_value(s.ok());
  });
  FUZZ_CHECK(created.get_future().get());
}

Broker* MakeBroker() {
  Broker* const broker = NewMemoryBroker().release();
  CreateTopic(*broker, "t", kPartitions);
  PublishEvents(*broker);
  CreateSubscription(*broker, kQueue, v1::Subscription::KIND_QUEUE);
  CreateSubscription(*broker, kByKey, v1::Subscription::KIND_QUEUE);
  CreateSubscription(*broker, kStream, v1::Subscription::KIND_STREAM);
  return broker;
}

// Discards the effects of earlier inputs.
void SeekToStart(Broker& broker, const std::string& subscription) {
  v1::SeekSubscriptionRequest request;
  request.set_name(subscription);
  request.mutable_start()->set_earliest(true);
  WorkPool pool(1);
  std::promise<bool> done;
  broker.subscriptions().moves().Seek(
      kTester, request, pool,
      [&](const absl::StatusOr<v1::SeekSubscriptionResponse>& r) { done.set_value(r.ok()); });
  FUZZ_CHECK(done.get_future().get());
}

// A consumer, and the responses that it received.
class Client {
 public:
  Client(Broker& broker, const std::string& subscription) {
    v1::ConsumeRequest first;
    first.mutable_open()->set_subscription(subscription);
    auto session =
        broker.subscriptions().OpenConsumer(kTester, first, [waker = waker_] { waker->Wake(); });
    FUZZ_CHECK(session.ok());
    session_ = *std::move(session);
    TakeAll();
  }

  // Epoch 0 stands for the consumer's current one: an input would never guess it.
  uint64_t EpochOf(uint32_t partition, uint64_t epoch) const {
    const auto it = epochs_.find(partition);
    return epoch == 0 && it != epochs_.end() ? it->second : epoch;
  }

  bool Send(const v1::ConsumeRequest& request) { return session_->Take(request).ok(); }

  // The answer to the only request.
  void AwaitSettlement(uint64_t correlation) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (settlements_ == 0) {
      FUZZ_CHECK(!ended_ && waker_->Wait(deadline));
      TakeAll();
    }
    FUZZ_CHECK(settlements_ == 1 && correlation_ == correlation);
  }

 private:
  class Waker {
   public:
    void Wake() {
      MutexLock lock(mutex_);
      woken_ = true;
      changed_.NotifyAll();
    }
    bool Wait(absl::Time deadline) {
      MutexLock lock(mutex_);
      while (!woken_) {
        const absl::Duration left = deadline - absl::Now();
        if (left <= absl::ZeroDuration()) return false;
        changed_.WaitFor(mutex_, left);
      }
      woken_ = false;
      return true;
    }

   private:
    Mutex mutex_;
    CondVar changed_;
    bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  };

  void TakeAll() {
    for (int step = 0; !ended_; ++step) {
      FUZZ_CHECK(step < 1000);
      ConsumeFrame frame;
      const absl::StatusOr<ConsumerSession::Step> next = session_->Poll(&frame);
      FUZZ_CHECK(next.ok());
      if (*next == ConsumerSession::Step::kWait) return;
      ended_ = *next == ConsumerSession::Step::kEnd;
      if (*next == ConsumerSession::Step::kCold) session_->ReadCold(&frame);
      Take(frame);
    }
  }

  void Take(const ConsumeFrame& frame) {
    for (const Delivery& delivery : frame.deliveries) {
      FUZZ_CHECK(delivery.partition.value() < kPartitions && delivery.count > 0);
      FUZZ_CHECK(delivery.base.value() >= 0);
      FUZZ_CHECK(delivery.base.value() + delivery.count <= kEventsEach);
      epochs_[delivery.partition.value()] = delivery.lease_epoch;
    }
    for (const v1::Settlement& settlement : frame.control.settlements()) {
      ++settlements_;
      correlation_ = settlement.correlation_id();
      for (const v1::RefusedRange& refused : settlement.refused()) {
        FUZZ_CHECK(refused.error().code() != 0);
      }
    }
  }

  const std::shared_ptr<Waker> waker_ = std::make_shared<Waker>();
  std::unique_ptr<ConsumerSession> session_;
  absl::flat_hash_map<uint32_t, uint64_t> epochs_;
  int settlements_ = 0;
  uint64_t correlation_ = 0;
  bool ended_ = false;
};

void CheckState(Broker& broker, const std::string& name) {
  v1::GetSubscriptionRequest request;
  request.set_name(name);
  const auto state = broker.subscriptions().Get(kTester, request);
  FUZZ_CHECK(state.ok() && state->consumers().empty());
  FUZZ_CHECK(state->stats().in_flight_events() == 0 && state->stats().replay_events() == 0);
  FUZZ_CHECK(state->stats().lost_events() == 0);
  uint64_t lag = 0;
  for (const v1::SubscriptionPartition& p : state->partitions()) {
    FUZZ_CHECK(p.acked_offset() >= 0 && p.acked_offset() <= p.next_offset());
    FUZZ_CHECK(p.next_offset() <= p.end_offset() && p.end_offset() == kEventsEach);
    FUZZ_CHECK(p.lag_events() <= static_cast<uint64_t>(kEventsEach - p.acked_offset()));
    FUZZ_CHECK(p.lag_events() >= static_cast<uint64_t>(kEventsEach - p.next_offset()));
    lag += p.lag_events();
  }
  FUZZ_CHECK(lag == state->stats().lag_events());
}

void Check(Broker& broker, const std::string& name, v1::ConsumeRequest request) {
  SeekToStart(broker, name);
  {
    Client client(broker, name);
    const auto set_epoch = [&](auto& part) {
      part.set_lease_epoch(client.EpochOf(part.partition(), part.lease_epoch()));
    };
    for (v1::Ack& ack : *request.mutable_acks()) set_epoch(ack);
    for (v1::Nack& nack : *request.mutable_nacks()) set_epoch(nack);
    for (v1::LeaseExtension& extension : *request.mutable_extensions()) set_epoch(extension);
    const bool settles =
        !request.acks().empty() || !request.nacks().empty() || !request.extensions().empty();
    if (client.Send(request) && settles) client.AwaitSettlement(request.correlation_id());
  }
  CheckState(broker, name);
}

}  // namespace
}  // namespace eventhub

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static eventhub::Broker* const broker = eventhub::MakeBroker();
  eventhub::v1::ConsumeRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  for (const char* name : {eventhub::kQueue, eventhub::kByKey, eventhub::kStream}) {
    eventhub::Check(*broker, name, request);
  }
  return 0;
}
