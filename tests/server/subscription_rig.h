// Consumers of an in-memory broker, and synchronous calls of SubscriptionService.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/subscription.pb.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/broker.h"
#include "tests/server/broker_rig.h"

namespace eventhub {

// An event as a consumer received it.
struct Received {
  uint32_t partition;
  int64_t offset;
  std::string id;
  std::string key;
  uint32_t attempt;
  uint64_t epoch;
  size_t bytes;
  std::vector<std::string> pipelines{};  // To which it was redriven; empty: to all.
  bool replayed = false;
};
std::ostream& operator<<(std::ostream& os, const Received& event);

std::vector<std::string> IdsOf(const std::vector<Received>& events);

// A consumer that behaves like the network layer: it polls when it has opened and when it is woken,
// until it is told to wait. Used by one thread; destroyed before the broker.
class TestConsumer {
 public:
  static absl::StatusOr<std::unique_ptr<TestConsumer>> Open(Broker& broker,
                                                            const v1::ConsumeRequest& first);

  // Whether there may be something to receive.
  bool woken() const { return waker_->woken.load(); }
  // Takes the available frames, if it was woken; at most `max_frames`.
  absl::Status Poll(int max_frames = 1 << 30);
  // Polls without having been woken.
  absl::Status PollAnyway();
  // Polls, and returns all events that were not returned before.
  std::vector<Received> Receive();
  // Waits for `count` events, and returns them.
  std::vector<Received> Receive(size_t count);

  // Sends a request that is answered with a settlement, and waits for it.
  v1::Settlement Settle(v1::ConsumeRequest request);
  v1::Settlement Ack(uint32_t partition, uint64_t epoch, int64_t start, int64_t end);
  v1::Settlement Ack(const Received& event);
  v1::Settlement Nack(const Received& event, v1::Nack::Action action,
                      const std::string& reason = "", absl::Duration retry_after = kByPolicy);
  // Parks the event with these details.
  v1::Settlement Park(const Received& event, const std::vector<v1::FaultDetail>& faults);
  v1::Settlement Extend(const Received& event, absl::Duration time);
  // Acks all of them; returns false if any was refused.
  bool AckAll(const std::vector<Received>& events);
  void SetCredit(uint32_t events, uint64_t bytes = uint64_t{16} << 20);
  void Leave();

  static constexpr absl::Duration kByPolicy = -absl::InfiniteDuration();

  ConsumerSession& session() { return *session_; }
  // The consumer has left, and everything is settled.
  bool ended() const { return ended_; }
  // Everything received except events and settlements, merged.
  v1::ConsumeResponse said;
  int caught_up = 0;
  int fell_behind = 0;
  int frames = 0;
  // Events not returned yet.
  std::deque<Received> events;

 private:
  struct Waker {
    std::atomic<bool> woken{true};
  };

  explicit TestConsumer(std::shared_ptr<Waker> waker) : waker_(std::move(waker)) {}
  void Take(ConsumeFrame frame);

  const std::shared_ptr<Waker> waker_;
  std::unique_ptr<ConsumerSession> session_;
  std::map<uint64_t, v1::Settlement> settlements_;
  uint64_t last_correlation_ = 0;
  bool ended_ = false;
};

// The offsets that a settlement refused, all with this code; otherwise the test fails.
std::vector<int64_t> RefusedOffsets(const v1::Settlement& settlement,
                                    absl::StatusCode code = absl::StatusCode::kAborted);

class SubscriptionRig : public BrokerRig {
 public:
  absl::StatusOr<v1::Subscription> Subscribe(const v1::Subscription& subscription,
                                             const v1::StartPosition& start);
  // Starts at the earliest event.
  absl::StatusOr<v1::Subscription> Subscribe(const v1::Subscription& subscription);
  absl::StatusOr<v1::Subscription> UpdateSubscription(const v1::Subscription& subscription,
                                                      const std::vector<std::string>& mask);
  absl::Status DeleteSubscription(const std::string& name);
  absl::StatusOr<v1::SeekSubscriptionResponse> Seek(const v1::SeekSubscriptionRequest& request);
  absl::StatusOr<v1::ReplaySubscriptionResponse> Replay(
      const v1::ReplaySubscriptionRequest& request);
  absl::StatusOr<v1::CancelReplaysResponse> CancelReplays(const std::string& name);
  absl::StatusOr<v1::CreateSnapshotResponse> CreateSnapshot(const std::string& subscription,
                                                            const std::string& name);
  absl::Status DeleteSnapshot(const std::string& subscription, const std::string& name);
  absl::StatusOr<v1::RedriveDeadLettersResponse> Redrive(
      const v1::RedriveDeadLettersRequest& request);
  absl::StatusOr<v1::DiscardDeadLettersResponse> Discard(
      const v1::DiscardDeadLettersRequest& request);
  v1::GetSubscriptionResponse Get(const std::string& name);
  std::vector<v1::DeadLetter> DeadLetters(const std::string& subscription);

  // A consumer of the subscription; with the default credit unless one is given.
  std::unique_ptr<TestConsumer> Consume(const std::string& subscription, const std::string& name,
                                        uint32_t credit = 0);

  // Advances the clock, and ends everything that is due.
  void Pass(absl::Duration time);

  // Waits until no event is being parked.
  void AwaitParking(const std::string& subscription);

  // Lets retention remove all events appended before now minus `keep`. `expected` holds the
  // resulting starts of the partitions, at least one of which must change. Requires EnableTrimming
  // before Open. Advances the clock by 1 s; leases that are due then end with the next Pass.
  void Trim(const std::string& topic, absl::Duration keep, const std::vector<int64_t>& expected);
  void EnableTrimming();

  Subscriptions& subscriptions() { return broker().subscriptions(); }
  // For the pieces of long calls.
  WorkPool& pool() { return pool_; }

 private:
  WorkPool pool_{1};
};

v1::Subscription SubscriptionOf(const std::string& name, const std::string& topic,
                                v1::Subscription::Kind kind);
google::protobuf::Duration ToProto(absl::Duration duration);

// Has an open rig.
class SubscriptionTest : public testing::Test {
 protected:
  void SetUp() override {
    rig_.EnableTrimming();
    ASSERT_THAT(rig_.Open(), IsOk());
  }

  // Creates topic t and its subscription s, which starts at the earliest event.
  void SetUpQueue(uint32_t partitions = 1) { Create(Queue(), partitions); }
  void SetUpStream(uint32_t partitions = 1) { Create(Stream(), partitions); }
  void Create(const v1::Subscription& subscription, uint32_t partitions = 1) {
    ASSERT_THAT(rig_.Create("t", partitions), IsOk());
    ASSERT_THAT(rig_.Subscribe(subscription), IsOk());
  }
  static v1::Subscription Queue() { return SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE); }
  static v1::Subscription Stream() {
    return SubscriptionOf("s", "t", v1::Subscription::KIND_STREAM);
  }

  void SeekToEarliest() {
    v1::SeekSubscriptionRequest seek;
    seek.set_name("s");
    seek.mutable_start()->set_earliest(true);
    ASSERT_THAT(rig_.Seek(seek), IsOk());
  }

  // The only consumer of a QUEUE, which let the lease of the only event expire.
  std::unique_ptr<TestConsumer> StalledConsumer() {
    v1::Subscription queue = Queue();
    *queue.mutable_ack_deadline() = ToProto(absl::Seconds(2));
    Create(queue);
    EXPECT_THAT(rig_.Publish("t", {"a"}), IsOk());
    std::unique_ptr<TestConsumer> consumer = rig_.Consume("s", "c");
    EXPECT_EQ(consumer->Receive(1).size(), 1u);
    rig_.Pass(absl::Seconds(2));
    return consumer;
  }

  SubscriptionRig rig_;
};

}  // namespace eventhub
