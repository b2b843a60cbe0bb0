// The events that consumers receive, and when: rates, pauses, changes while consumers are
// connected, replays, retention, moves of partitions.
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/retention_probe.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::SizeIs;

class SubscriptionFlowTest : public SubscriptionTest {
 protected:
  static std::vector<std::string> Numbers(int from, int to) {
    std::vector<std::string> ids;
    for (int i = from; i < to; ++i) ids.push_back(absl::StrCat(i));
    return ids;
  }

  static v1::Subscription Limited(uint64_t events_per_second, uint64_t bytes_per_second) {
    v1::Subscription subscription = Queue();
    subscription.mutable_rate_limit()->set_events_per_second(events_per_second);
    subscription.mutable_rate_limit()->set_bytes_per_second(bytes_per_second);
    return subscription;
  }

  v1::SubscriptionStats Stats() { return rig_.Get("s").stats(); }

  void SetPaused(bool paused) {
    v1::Subscription subscription = Queue();
    subscription.set_paused(paused);
    ASSERT_THAT(rig_.UpdateSubscription(subscription, {"paused"}), IsOk());
  }

  void PublishEach(uint32_t partitions, const std::string& first) {
    for (uint32_t p = 0; p < partitions; ++p) {
      ASSERT_THAT(rig_.Publish("t", {absl::StrCat(first, p)}, p), IsOk());
    }
  }

  static std::vector<uint32_t> PartitionsOf(
      const google::protobuf::RepeatedPtrField<v1::PartitionLease>& leases) {
    std::vector<uint32_t> partitions;
    for (const v1::PartitionLease& lease : leases) partitions.push_back(lease.partition());
    return partitions;
  }

  static std::vector<uint32_t> AttemptsOf(const std::vector<Received>& events) {
    std::vector<uint32_t> attempts;
    for (const Received& event : events) attempts.push_back(event.attempt);
    return attempts;
  }
};

// ---- Rates

TEST_F(SubscriptionFlowTest, LimitsEventsPerSecond) {
  Create(Limited(10, 0));
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 35)), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(0, 10)));
  EXPECT_EQ(consumer->caught_up, 0);
  rig_.Pass(absl::Milliseconds(99));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  rig_.Pass(absl::Milliseconds(2));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("10"));
  rig_.Pass(absl::Milliseconds(500));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(11, 16)));
  // Unused rate accumulates for at most a second.
  rig_.Pass(absl::Seconds(20));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(16, 26)));
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(26, 35)));
  EXPECT_EQ(consumer->caught_up, 1);
}

TEST_F(SubscriptionFlowTest, ConsumersShareRateLimit) {
  Create(Limited(10, 0));
  const auto first = rig_.Consume("s", "first", /*credit=*/4);
  const auto second = rig_.Consume("s", "second");
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 30)), IsOk());
  EXPECT_THAT(first->Receive(), SizeIs(4));
  EXPECT_THAT(second->Receive(), SizeIs(6));
  EXPECT_THAT(first->Receive(), IsEmpty());
  EXPECT_EQ(Stats().delivered_events(), 10u);
}

TEST_F(SubscriptionFlowTest, LimitsBytesPerSecond) {
  const size_t bytes = EncodeEvent(MakeEvent("00")).size();
  Create(Limited(0, 10 * bytes));
  ASSERT_THAT(rig_.Publish("t", Numbers(10, 45)), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(10, 20)));
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(20, 30)));
  rig_.Pass(absl::Seconds(20));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(30, 40)));
}

TEST_F(SubscriptionFlowTest, OversizedEventDelaysLaterOnes) {
  Create(Limited(0, 1000));
  v1::PublishStreamRequest request = MakeRequest("t", {});
  *request.add_events() = MakeEvent("large", "", std::string(4000, 'x'));
  *request.add_events() = MakeEvent("small");
  ASSERT_THAT(rig_.Publish(request), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> large = consumer->Receive();
  EXPECT_THAT(IdsOf(large), ElementsAre("large"));
  const auto owed = absl::Milliseconds(static_cast<int64_t>(large.at(0).bytes) - 1000);
  rig_.Pass(owed);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  rig_.Pass(absl::Milliseconds(2));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("small"));
}

TEST_F(SubscriptionFlowTest, RateChangeAppliesToWaitingDeliveries) {
  Create(Limited(1, 0));
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 20)), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("0"));
  ASSERT_THAT(rig_.UpdateSubscription(Limited(10, 0), {"rate_limit.events_per_second"}), IsOk());
  rig_.Pass(absl::Milliseconds(500));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(1, 6)));
  ASSERT_THAT(rig_.UpdateSubscription(Queue(), {"rate_limit"}), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAreArray(Numbers(6, 20)));
}

// ---- Pause, and other changes while consumers are connected

TEST_F(SubscriptionFlowTest, DeliversNothingWhilePaused) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c", /*credit=*/2);
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 4)), IsOk());
  const std::vector<Received> out = consumer->Receive();
  EXPECT_THAT(IdsOf(out), ElementsAre("0", "1"));
  SetPaused(true);
  EXPECT_TRUE(consumer->AckAll({out[0]}));
  EXPECT_THAT(RefusedOffsets(consumer->Nack(out[1], v1::Nack::ACTION_RETRY)), IsEmpty());
  rig_.Pass(absl::Hours(1));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  SetPaused(false);
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("1", "2"));
}

TEST_F(SubscriptionFlowTest, PauseSurvivesRestart) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  SetPaused(true);
  rig_.Reopen();
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  SetPaused(false);
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
}

TEST_F(SubscriptionFlowTest, LoweredAttemptLimitParksEventOnNextFailure) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c");
  ASSERT_THAT(rig_.Publish("t", {"bad", "good"}), IsOk());
  std::vector<Received> events = consumer->Receive();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_TRUE(consumer->AckAll({events[1]}));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(RefusedOffsets(
                    consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "no", absl::ZeroDuration())),
                IsEmpty());
    events = consumer->Receive(1);
    ASSERT_THAT(events, SizeIs(1));
  }
  EXPECT_EQ(events[0].attempt, 3u);
  v1::Subscription changed = Queue();
  changed.set_max_delivery_attempts(3);
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"max_delivery_attempts"}), IsOk());
  EXPECT_THAT(rig_.DeadLetters("s"), IsEmpty());  // Its last attempt is in progress.
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "never")),
              IsEmpty());
  rig_.AwaitParking("s");
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].event().id(), "bad");
  EXPECT_EQ(letters[0].attempts(), 3u);
  EXPECT_EQ(letters[0].reason(), "never");
  EXPECT_EQ(Stats().lag_events(), 0u);
}

TEST_F(SubscriptionFlowTest, LoweredAttemptLimitParksWaitingRetry) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c");
  ASSERT_THAT(rig_.Publish("t", {"bad"}), IsOk());
  const std::vector<Received> events = consumer->Receive();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_THAT(
      RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "later", absl::Hours(1))),
      IsEmpty());
  v1::Subscription changed = Queue();
  changed.set_max_delivery_attempts(1);
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"max_delivery_attempts"}), IsOk());
  std::vector<v1::DeadLetter> letters;
  ASSERT_TRUE(Eventually([&] {
    letters = rig_.DeadLetters("s");
    return !letters.empty();
  }));
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].attempts(), 1u);
}

TEST_F(SubscriptionFlowTest, NewAckDeadlineAppliesToLaterDeliveries) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c");
  v1::Subscription changed = Queue();
  *changed.mutable_ack_deadline() = ToProto(absl::Seconds(2));
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"ack_deadline"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  rig_.Pass(absl::Milliseconds(1999));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  rig_.Pass(absl::Milliseconds(1));
  EXPECT_THAT(AttemptsOf(consumer->Receive()), ElementsAre(2));
  EXPECT_EQ(Stats().expired_events(), 1u);
}

TEST_F(SubscriptionFlowTest, NewRetryPolicyAppliesToLaterNacks) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c");
  v1::Subscription changed = Queue();
  *changed.mutable_retry_policy()->mutable_min_backoff() = ToProto(absl::Seconds(10));
  *changed.mutable_retry_policy()->mutable_max_backoff() = ToProto(absl::Seconds(15));
  ASSERT_THAT(rig_.UpdateSubscription(changed, {"retry_policy"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  std::vector<Received> events = consumer->Receive();
  for (const auto& [soonest, latest] : {std::pair(8, 10), std::pair(12, 15), std::pair(12, 15)}) {
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY)), IsEmpty());
    EXPECT_EQ(Stats().delayed_events(), 1u);
    rig_.Pass(absl::Seconds(soonest) - absl::Milliseconds(1));
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    rig_.Pass(absl::Seconds(latest - soonest) + absl::Milliseconds(1));
    events = consumer->Receive();
  }
  EXPECT_THAT(AttemptsOf(events), ElementsAre(4));
}

// ---- Retention

class KeepUntilAckedTest : public SubscriptionFlowTest {
 protected:
  void SetUpKept(uint64_t max_bytes) {
    v1::Topic topic;
    topic.set_name("t");
    topic.mutable_retention()->mutable_max_age()->set_seconds(60);
    topic.mutable_retention()->set_keep_until_acked(true);
    topic.mutable_retention()->set_keep_until_acked_max_bytes(max_bytes);
    ASSERT_THAT(rig_.Create(topic), IsOk());
    probe_.Create();
    ASSERT_THAT(rig_.Subscribe(Queue()), IsOk());
  }

  void PublishOne(const std::string& id) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() = MakeEvent(id, "", std::string(1000, 'x'));
    ASSERT_THAT(rig_.Publish(request), IsOk());
    rig_.clock.Advance(absl::Seconds(1));
  }

  // Waits for a complete pass of retention.
  void TrimAll() {
    probe_.Pass(absl::Minutes(2));
    rig_.subscriptions().RunDue();
  }

  RetentionProbe probe_{rig_};
};

TEST_F(KeepUntilAckedTest, RetainsUnackedEvents) {
  SetUpKept(0);
  for (const char* id : {"a", "b", "c"}) PublishOne(id);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive();
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_TRUE(consumer->AckAll({events[0], events[2]}));
  TrimAll();
  EXPECT_EQ(rig_.Describe("t").start_offset(), 1);
  EXPECT_TRUE(consumer->AckAll(consumer->Receive()));
  TrimAll();
  EXPECT_EQ(rig_.Describe("t").start_offset(), 3);
  EXPECT_EQ(Stats().lost_events(), 0u);
  EXPECT_THAT(consumer->said.trimmed(), IsEmpty());
}

TEST_F(KeepUntilAckedTest, BoundsRetainedBytes) {
  SetUpKept(3500);
  for (const char* id : {"a", "b", "c", "d", "e"}) PublishOne(id);
  const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("a"));
  TrimAll();
  EXPECT_EQ(rig_.Describe("t").start_offset(), 2);
  consumer->SetCredit(10);
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("c", "d", "e"));
  EXPECT_EQ(Stats().lost_events(), 2u);
  std::set<int64_t> lost;  // In one range, or in several.
  for (const v1::TrimmedRange& trimmed : consumer->said.trimmed()) {
    EXPECT_EQ(trimmed.partition(), 0u);
    for (int64_t offset = trimmed.range().start(); offset < trimmed.range().end(); ++offset) {
      EXPECT_TRUE(lost.insert(offset).second) << offset;
    }
  }
  EXPECT_THAT(lost, ElementsAre(0, 1));
  EXPECT_THAT(rig_.Get("s").findings(),
              testing::Contains("2 events lost: removed by retention before being settled"));
}

TEST_F(KeepUntilAckedTest, DeletedSubscriptionRetainsNothing) {
  SetUpKept(0);
  PublishOne("a");
  TrimAll();
  EXPECT_EQ(rig_.Describe("t").start_offset(), 0);
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  TrimAll();
  EXPECT_EQ(rig_.Describe("t").start_offset(), 1);
}

TEST_F(SubscriptionFlowTest, ReportsTrimmedUndeliveredEventsOnce) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  rig_.clock.Advance(absl::Seconds(10));
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  rig_.Trim("t", absl::Seconds(5), {2});
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("c"));
  ASSERT_EQ(consumer->said.trimmed_size(), 1);
  EXPECT_EQ(consumer->said.trimmed(0).range().start(), 0);
  EXPECT_EQ(consumer->said.trimmed(0).range().end(), 2);
  EXPECT_EQ(Stats().lost_events(), 2u);
  EXPECT_EQ(Stats().lag_events(), 1u);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(consumer->said.trimmed_size(), 1);
}

// ---- Replays

class ReplayTest : public SubscriptionFlowTest {
 protected:
  static v1::ReplaySubscriptionRequest Range(int64_t from, int64_t to) {
    v1::ReplaySubscriptionRequest request;
    request.set_name("s");
    request.mutable_start()->set_offset(from);
    request.set_stop_offset(to);
    return request;
  }
};

TEST_F(ReplayTest, HasItsOwnRateAlongsideLiveEvents) {
  SetUpQueue();
  v1::Subscription other = Queue();
  other.set_name("other");
  ASSERT_THAT(rig_.Subscribe(other), IsOk());
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 20)), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const auto bystander = rig_.Consume("other", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive()));
  EXPECT_TRUE(bystander->AckAll(bystander->Receive()));
  v1::ReplaySubscriptionRequest request = Range(5, 10);
  request.mutable_rate_limit()->set_events_per_second(2);
  ASSERT_OK_AND_ASSIGN(const v1::ReplaySubscriptionResponse response, rig_.Replay(request));
  EXPECT_EQ(response.events(), 5u);
  ASSERT_EQ(response.ranges_size(), 1);
  EXPECT_EQ(response.ranges(0).range().start(), 5);
  EXPECT_EQ(response.ranges(0).range().end(), 10);
  std::vector<Received> events = consumer->Receive(2);
  EXPECT_THAT(IdsOf(events), ElementsAre("5", "6"));
  EXPECT_TRUE(consumer->AckAll(events));
  EXPECT_EQ(Stats().replay_events(), 3u);
  EXPECT_EQ(Stats().lag_events(), 0u);
  ASSERT_THAT(rig_.Publish("t", {"live"}), IsOk());
  events = consumer->Receive(1);
  EXPECT_THAT(IdsOf(events), ElementsAre("live"));
  EXPECT_TRUE(consumer->AckAll(events));
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("7", "8"));
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("9"));
  EXPECT_THAT(IdsOf(bystander->Receive(1)), ElementsAre("live"));
}

TEST_F(ReplayTest, SurvivesRestartAndCanBeCancelled) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 10)), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c");
    EXPECT_TRUE(consumer->AckAll(consumer->Receive()));
    v1::ReplaySubscriptionRequest request = Range(2, 8);
    request.mutable_rate_limit()->set_events_per_second(1);
    ASSERT_THAT(rig_.Replay(request), IsOk());
    const std::vector<Received> first = consumer->Receive(1);
    EXPECT_THAT(IdsOf(first), ElementsAre("2"));
    EXPECT_TRUE(consumer->AckAll(first));
  }
  rig_.Reopen();
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> next = consumer->Receive(1);
  EXPECT_THAT(IdsOf(next), ElementsAre("3"));
  ASSERT_OK_AND_ASSIGN(const v1::CancelReplaysResponse cancelled, rig_.CancelReplays("s"));
  EXPECT_EQ(cancelled.events(), 4u);
  rig_.Pass(absl::Seconds(10));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_TRUE(consumer->AckAll(next));
  EXPECT_EQ(Stats().replay_events(), 0u);
}

TEST_F(ReplayTest, DryRunOnlyCountsEvents) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 10)), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive();
  EXPECT_TRUE(consumer->AckAll({events[2], events[3], events[9]}));
  v1::ReplaySubscriptionRequest request = Range(0, 9);
  request.set_dry_run(true);
  ASSERT_OK_AND_ASSIGN(const v1::ReplaySubscriptionResponse response, rig_.Replay(request));
  EXPECT_EQ(response.events(), 2u);
  EXPECT_EQ(Stats().replay_events(), 0u);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
}

TEST_F(ReplayTest, EndsAtStopTime) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  rig_.clock.Advance(absl::Seconds(10));
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive()));
  v1::ReplaySubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_earliest(true);
  request.mutable_stop_time()->set_seconds(absl::ToUnixSeconds(rig_.clock.Now()));
  ASSERT_THAT(rig_.Replay(request), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(2)), ElementsAre("a", "b"));
}

TEST_F(ReplayTest, EndsAtFirstUndeliveredEvent) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", Numbers(0, 10)), IsOk());
  const auto consumer = rig_.Consume("s", "c", /*credit=*/4);
  const std::vector<Received> events = consumer->Receive();
  ASSERT_THAT(events, SizeIs(4));
  SetPaused(true);
  EXPECT_TRUE(consumer->AckAll(events));
  v1::ReplaySubscriptionRequest request = Range(0, 10);
  ASSERT_OK_AND_ASSIGN(const v1::ReplaySubscriptionResponse response, rig_.Replay(request));
  EXPECT_EQ(response.events(), 4u);
  ASSERT_EQ(response.ranges_size(), 1);
  EXPECT_EQ(response.ranges(0).range().start(), 0);
  EXPECT_EQ(response.ranges(0).range().end(), 4);
}

// ---- Partitions and consumers

TEST_F(SubscriptionFlowTest, DeliversFromAddedPartitions) {
  for (const v1::Subscription& subscription : {Stream(), Queue()}) {
    Create(subscription);
    const auto consumer = rig_.Consume("s", "c");
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    v1::Topic topic;
    topic.set_name("t");
    topic.set_partitions(3);
    ASSERT_THAT(rig_.Update(topic, {"partitions"}), IsOk());
    PublishEach(3, "a");
    const std::vector<Received> events = consumer->Receive(3);
    EXPECT_THAT(IdsOf(events), testing::UnorderedElementsAre("a0", "a1", "a2"));
    EXPECT_TRUE(consumer->AckAll(events));
    EXPECT_EQ(rig_.Get("s").partitions_size(), 3);
    EXPECT_EQ(Stats().lag_events(), 0u);
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

TEST_F(SubscriptionFlowTest, JoiningConsumerTakesShareWithoutRedelivery) {
  SetUpStream(4);
  PublishEach(4, "a");
  const auto first = rig_.Consume("s", "first");
  const std::vector<Received> old = first->Receive(4);
  EXPECT_THAT(PartitionsOf(first->said.assigned()), ElementsAre(0, 1, 2, 3));
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(second->Receive(), IsEmpty());
  EXPECT_THAT(first->Receive(), IsEmpty());
  const std::vector<uint32_t> moving = PartitionsOf(first->said.draining());
  EXPECT_THAT(moving, SizeIs(2));
  EXPECT_THAT(second->said.assigned(), IsEmpty());
  PublishEach(4, "b");
  EXPECT_THAT(first->Receive(2), SizeIs(2));
  EXPECT_TRUE(first->AckAll(old));
  const std::vector<Received> taken = second->Receive(2);
  EXPECT_THAT(AttemptsOf(taken), ElementsAre(1, 1));
  EXPECT_THAT(PartitionsOf(second->said.assigned()), ElementsAreArray(moving));
  EXPECT_THAT(first->Receive(), IsEmpty());
  EXPECT_THAT(PartitionsOf(first->said.revoked()), ElementsAreArray(moving));
  for (const v1::PartitionLease& lease : second->said.assigned()) {
    EXPECT_EQ(lease.next_offset(), 1);
  }
  EXPECT_EQ(Stats().redelivered_events(), 0u);
}

TEST_F(SubscriptionFlowTest, LeavingConsumerHandsOverWithoutRedelivery) {
  SetUpStream(4);
  const auto first = rig_.Consume("s", "first");
  const auto second = rig_.Consume("s", "second");
  PublishEach(4, "a");
  const std::vector<Received> kept = first->Receive(2);
  const std::vector<Received> left = second->Receive(2);
  ASSERT_THAT(left, SizeIs(2));
  second->Leave();
  PublishEach(4, "b");
  EXPECT_THAT(first->Receive(2), SizeIs(2));
  EXPECT_TRUE(second->AckAll({left[0]}));
  EXPECT_FALSE(second->ended());
  EXPECT_TRUE(second->AckAll({left[1]}));
  EXPECT_THAT(second->Receive(), IsEmpty());
  EXPECT_TRUE(second->ended());
  const std::vector<Received> taken = first->Receive(2);
  EXPECT_THAT(IdsOf(taken), testing::UnorderedElementsAre(absl::StrCat("b", left[0].partition),
                                                          absl::StrCat("b", left[1].partition)));
  EXPECT_THAT(AttemptsOf(taken), ElementsAre(1, 1));
  EXPECT_THAT(first->said.revoked(), testing::SizeIs(2));  // When the second consumer connected.
  EXPECT_TRUE(first->AckAll(kept));
  EXPECT_EQ(Stats().redelivered_events(), 0u);
}

TEST_F(SubscriptionFlowTest, DrainingConsumerLosesPartitionAtDeadline) {
  SetUpStream(2);
  PublishEach(2, "a");
  const auto first = rig_.Consume("s", "first");
  EXPECT_THAT(first->Receive(2), SizeIs(2));
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(first->Receive(), IsEmpty());
  ASSERT_EQ(first->said.draining_size(), 1);
  EXPECT_EQ(first->said.draining(0).time_left().seconds(), 30);
  rig_.Pass(absl::Seconds(29));
  EXPECT_THAT(second->Receive(), IsEmpty());
  rig_.Pass(absl::Seconds(1));
  // The attempt did not fail because of the event.
  EXPECT_THAT(AttemptsOf(second->Receive()), ElementsAre(1));
}

TEST_F(SubscriptionFlowTest, ReportsCaughtUpWheneverHeadIsReached) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c", /*credit=*/2);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(consumer->caught_up, 1);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const std::vector<Received> events = consumer->Receive();
  EXPECT_THAT(IdsOf(events), ElementsAre("a", "b"));
  EXPECT_EQ(consumer->caught_up, 1);
  EXPECT_TRUE(consumer->AckAll(events));
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("c"));
  EXPECT_EQ(consumer->caught_up, 2);
  EXPECT_EQ(consumer->fell_behind, 0);
}

TEST_F(SubscriptionFlowTest, IsNotCaughtUpWhileReturnedEventsWait) {
  for (const v1::Subscription& subscription : {Stream(), Queue()}) {
    Create(subscription);
    ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
    EXPECT_THAT(rig_.Consume("s", "gone")->Receive(3), SizeIs(3));
    const auto consumer = rig_.Consume("s", "c", /*credit=*/2);
    const std::vector<Received> events = consumer->Receive(2);
    EXPECT_EQ(consumer->caught_up, 0);
    EXPECT_TRUE(consumer->AckAll(events));
    EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("c"));
    EXPECT_EQ(consumer->caught_up, 1);
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

TEST_F(SubscriptionFlowTest, ReportsFellBehindOnceAfterCaughtUp) {
  rig_.tail_cache_bytes = 1000;
  rig_.Reopen();
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_THAT(rig_.Publish("t", {"first"}), IsOk());
  std::vector<Received> events = consumer->Receive();
  EXPECT_THAT(IdsOf(events), ElementsAre("first"));
  for (int i = 0; i < 50; ++i) ASSERT_THAT(rig_.Publish("t", Numbers(i, i + 1)), IsOk());
  consumer->SetCredit(5);
  for (const Received& event : consumer->Receive(4)) events.push_back(event);
  EXPECT_EQ(consumer->fell_behind, 1);
  while (events.size() < 51) {
    EXPECT_TRUE(consumer->AckAll({events.end() - 4, events.end()}));
    for (const Received& event : consumer->Receive(1)) events.push_back(event);
  }
  EXPECT_EQ(consumer->fell_behind, 1);
  EXPECT_EQ(consumer->caught_up, 3);
}

TEST_F(SubscriptionFlowTest, ReplayDoesNotReportFellBehind) {
  rig_.tail_cache_bytes = 1000;
  rig_.Reopen();
  SetUpQueue();
  for (int i = 0; i < 50; ++i) ASSERT_THAT(rig_.Publish("t", Numbers(i, i + 1)), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive(50)));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_GT(consumer->caught_up, 0);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  EXPECT_THAT(consumer->Receive(50), SizeIs(50));
  EXPECT_EQ(consumer->fell_behind, 0);
}

// ---- Holes

TEST_F(SubscriptionFlowTest, ManyHolesNeitherBlockEventsNorLoseAcks) {
  constexpr int64_t kHoles = kStride == 1 ? 100'000 : 5'000;
  SetUpQueue();
  for (int i = 0; i < 2 * kHoles; i += 5000) {
    ASSERT_THAT(rig_.Publish("t", Numbers(i, i + 5000)), IsOk());
  }
  {
    const auto consumer = rig_.Consume("s", "c", /*credit=*/3 * kHoles);
    const std::vector<Received> events = consumer->Receive(2 * kHoles);
    ASSERT_THAT(events, SizeIs(2 * kHoles));
    for (int64_t from = 0; from < 2 * kHoles; from += 10'000) {
      v1::ConsumeRequest request;
      v1::Ack& ack = *request.add_acks();
      ack.set_lease_epoch(events[0].epoch);
      for (int64_t event = from + 1; event < from + 10'000; event += 2) {
        v1::OffsetRange& range = *ack.add_ranges();
        range.set_start(event);
        range.set_end(event + 1);
      }
      EXPECT_THAT(consumer->Settle(std::move(request)).refused(), IsEmpty());
    }
    ASSERT_THAT(rig_.Publish("t", {"later"}), IsOk());
    const std::vector<Received> later = consumer->Receive(1);
    EXPECT_THAT(IdsOf(later), ElementsAre("later"));
    EXPECT_TRUE(consumer->AckAll(later));
    EXPECT_EQ(Stats().lag_events(), uint64_t{kHoles});
    EXPECT_EQ(Stats().acked_events(), uint64_t{kHoles} + 1);
  }
  rig_.Reopen();
  EXPECT_EQ(Stats().lag_events(), uint64_t{kHoles});
  const auto consumer = rig_.Consume("s", "c", /*credit=*/3 * kHoles);
  const std::vector<Received> again = consumer->Receive(kHoles);
  ASSERT_THAT(again, SizeIs(kHoles));
  for (const Received& event : again) ASSERT_EQ(event.offset % 2, 0) << event;
  consumer->Ack(0, again[0].epoch, 0, 2 * kHoles);
  EXPECT_EQ(Stats().lag_events(), 0u);
}

}  // namespace
}  // namespace eventhub
