// SubscriptionService: operations and refusals, lists, expiry, and reports about a subscription.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_admin_fixture.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

TEST_F(SubscriptionAdminTest, CreateRejectsInvalidRequests) {
  SetUpQueue();
  EXPECT_THAT(rig_.Subscribe(Stream()),
              Refused(StatusCode::kAlreadyExists, Reason::REASON_SUBSCRIPTION_EXISTS));
  v1::Subscription subscription = Queue();
  subscription.clear_topic();
  EXPECT_EQ(FaultyField(rig_.Subscribe(subscription).status()), "subscription.topic");
  subscription.set_topic("none");
  EXPECT_THAT(rig_.Subscribe(subscription),
              Refused(StatusCode::kNotFound, Reason::REASON_TOPIC_NOT_FOUND));
  subscription = Queue();
  subscription.set_name("new");
  v1::StartPosition start;
  start.set_offset(1);
  EXPECT_THAT(rig_.Subscribe(subscription, start),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  subscription.set_dead_letter_topic("t");
  EXPECT_EQ(FaultyField(rig_.Subscribe(subscription).status()), "subscription.dead_letter_topic");
  EXPECT_EQ(rig_.subscriptions().catalog().size(), 1u);
  EXPECT_THAT(rig_.Delete("new.dead-letters"),
              Refused(StatusCode::kNotFound, Reason::REASON_TOPIC_NOT_FOUND));
}

TEST_F(SubscriptionAdminTest, StartsAtLatestByDefault) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"old"}), IsOk());
  ASSERT_THAT(rig_.Subscribe(Queue(), v1::StartPosition()), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"new"}), IsOk());
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive(1)), ElementsAre("new"));
}

TEST_F(SubscriptionAdminTest, GetUpdateAndDeleteRejectUnknownNames) {
  SetUpQueue();
  const auto no_subscription =
      Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND);
  v1::GetSubscriptionRequest get;
  EXPECT_EQ(FaultyField(rig_.subscriptions().Get(kTester, get).status()), "name");
  get.set_name("none");
  EXPECT_THAT(rig_.subscriptions().Get(kTester, get), no_subscription);
  v1::Subscription subscription = Queue();
  EXPECT_EQ(FaultyField(rig_.UpdateSubscription(subscription, {}).status()), "update_mask");
  EXPECT_EQ(FaultyField(rig_.UpdateSubscription(subscription, {"kind"}).status()), "update_mask");
  subscription.clear_name();
  EXPECT_EQ(FaultyField(rig_.UpdateSubscription(subscription, {"paused"}).status()),
            "subscription.name");
  subscription.set_name("none");
  EXPECT_THAT(rig_.UpdateSubscription(subscription, {"paused"}), no_subscription);
  EXPECT_EQ(FaultyField(rig_.DeleteSubscription("")), "name");
  EXPECT_THAT(rig_.DeleteSubscription("none"), no_subscription);
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  EXPECT_THAT(rig_.DeleteSubscription("s"), no_subscription);
}

TEST_F(SubscriptionAdminTest, ReplayRejectsInvalidRanges) {
  SetUpQueue(2);
  v1::ReplaySubscriptionRequest request;
  request.mutable_start()->set_earliest(true);
  EXPECT_EQ(FaultyField(rig_.Replay(request).status()), "name");
  request.set_name("none");
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
  request.set_name("s");
  request.clear_start();
  EXPECT_EQ(FaultyField(rig_.Replay(request).status()), "start");
  request.mutable_start()->set_offset(1);
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kOutOfRange, Reason::REASON_OFFSET_OUT_OF_RANGE));
  request.mutable_start()->set_earliest(true);
  request.add_partitions(2);
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kNotFound, Reason::REASON_PARTITION_NOT_FOUND));
  request.set_partitions(0, 1);
  request.add_partitions(1);
  EXPECT_EQ(FaultyField(rig_.Replay(request).status()), "partitions");
  EXPECT_EQ(FaultyField(rig_.CancelReplays("").status()), "name");
  EXPECT_THAT(rig_.CancelReplays("none"),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
}

TEST_F(SubscriptionAdminTest, ConsumeValidatesOpenRequest) {
  SetUpQueue();
  const auto open = [&](const v1::ConsumeRequest& first) {
    return TestConsumer::Open(rig_.broker(), first).status();
  };
  v1::ConsumeRequest first;
  EXPECT_EQ(FaultyField(open(first)), "open");
  first.mutable_open();
  EXPECT_EQ(FaultyField(open(first)), "open.subscription");
  first.mutable_open()->set_subscription("none");
  EXPECT_THAT(open(first), Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
  first.mutable_open()->set_subscription("s");
  first.mutable_open()->set_consumer(std::string(257, 'x'));
  EXPECT_EQ(FaultyField(open(first)), "open.consumer");
  first.mutable_open()->clear_consumer();
  for (const uint32_t bytes : {4095u, 4'000'001u}) {
    first.mutable_open()->set_max_response_bytes(bytes);
    EXPECT_EQ(FaultyField(open(first)), "open.max_response_bytes");
  }
  first.mutable_open()->set_max_response_bytes(4096);
  first.add_acks();
  EXPECT_EQ(FaultyField(open(first)), "acks");
  first.clear_acks();
  EXPECT_THAT(open(first), IsOk());
}

TEST_F(SubscriptionAdminTest, DeletionEndsConsumers) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  EXPECT_TRUE(consumer->woken());
  EXPECT_THAT(consumer->Poll(),
              Refused(StatusCode::kNotFound, Reason::REASON_SUBSCRIPTION_NOT_FOUND));
}

TEST_F(SubscriptionAdminTest, ListsByNameInPages) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  ASSERT_THAT(rig_.Create("u"), IsOk());
  for (const char* name : {"d", "b", "a", "e", "c"}) {
    const bool on_t = std::string("ace").find(name) != std::string::npos;
    ASSERT_THAT(
        rig_.Subscribe(SubscriptionOf(name, on_t ? "t" : "u", v1::Subscription::KIND_QUEUE)),
        IsOk());
  }
  const auto pages = [&](const std::string& topic, uint32_t size) {
    std::vector<std::string> all;
    v1::ListSubscriptionsRequest request;
    request.set_topic(topic);
    request.set_page_size(size);
    do {
      const auto page = rig_.subscriptions().List(kTester, request);
      EXPECT_THAT(page, IsOk());
      std::string names;
      for (const v1::SubscriptionSummary& one : page->subscriptions()) {
        names += one.subscription().name();
      }
      all.push_back(names);
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return all;
  };
  EXPECT_THAT(pages("", 0), ElementsAre("abcde"));
  EXPECT_THAT(pages("", 2), ElementsAre("ab", "cd", "e"));
  EXPECT_THAT(pages("", 5), ElementsAre("abcde"));
  EXPECT_THAT(pages("t", 1), ElementsAre("a", "c", "e"));
  EXPECT_THAT(pages("t", 2), ElementsAre("ac", "e"));
  EXPECT_THAT(pages("u", 2), ElementsAre("bd"));
  EXPECT_THAT(pages("none", 2), ElementsAre(""));
}

TEST_F(SubscriptionAdminTest, ListIncludesStats) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  ASSERT_OK_AND_ASSIGN(const v1::ListSubscriptionsResponse response,
                       rig_.subscriptions().List(kTester, v1::ListSubscriptionsRequest()));
  ASSERT_EQ(response.subscriptions_size(), 1);
  EXPECT_EQ(response.subscriptions(0).consumers(), 1u);
  EXPECT_EQ(response.subscriptions(0).stats().lag_events(), 2u);
  EXPECT_EQ(response.subscriptions(0).stats().in_flight_events(), 1u);
}

TEST_F(SubscriptionAdminTest, ExpiresWithoutConsumers) {
  rig_.maintenance.reset();  // It would run first, and the test checks which subscriptions expired.
  rig_.Reopen();
  v1::Subscription subscription = Queue();
  *subscription.mutable_expire_after() = ToProto(absl::Minutes(1));
  Create(subscription);
  std::vector<std::pair<std::string, absl::Time>> expired;
  const auto exists = [&] {
    EXPECT_THAT(rig_.subscriptions().Expire([&](const std::string& name, absl::Time last_used) {
      expired.emplace_back(name, last_used);
    }),
                IsOk());
    return rig_.subscriptions().catalog().Find("s") != nullptr;
  };
  rig_.Pass(absl::Seconds(59));
  EXPECT_TRUE(exists());
  auto consumer = rig_.Consume("s", "c");
  rig_.Pass(absl::Hours(1));
  EXPECT_TRUE(exists());
  consumer.reset();
  // The time of use is recorded by then.
  ASSERT_THAT(rig_.UpdateSubscription(subscription, {"description"}), IsOk());
  rig_.Pass(absl::Seconds(59));
  EXPECT_TRUE(exists());
  EXPECT_THAT(expired, IsEmpty());
  rig_.Pass(absl::Seconds(1));
  EXPECT_FALSE(exists());
  EXPECT_THAT(expired, ElementsAre(Pair("s", rig_.clock.Now() - absl::Minutes(1))));
  rig_.Reopen();
  EXPECT_EQ(rig_.subscriptions().catalog().Find("s"), nullptr);
}

TEST_F(SubscriptionAdminTest, DoesNotExpireWhenLastConsumerLeaves) {
  v1::Subscription subscription = Queue();
  *subscription.mutable_expire_after() = ToProto(absl::Minutes(1));
  Create(subscription);
  for (int i = 0; i < 20; ++i) {
    auto consumer = rig_.Consume("s", "c");
    rig_.Pass(absl::Hours(1));
    consumer.reset();
    ASSERT_THAT(rig_.subscriptions().Expire(), IsOk());
    ASSERT_NE(rig_.subscriptions().catalog().Find("s"), nullptr);
  }
}

TEST_F(SubscriptionAdminTest, DoesNotExpireByDefault) {
  v1::Subscription subscription = Queue();
  *subscription.mutable_expire_after() = ToProto(absl::Minutes(1));
  Create(subscription);
  ASSERT_THAT(rig_.UpdateSubscription(Queue(), {"expire_after"}), IsOk());
  rig_.Pass(absl::Hours(24 * 365));
  ASSERT_THAT(rig_.subscriptions().Expire(), IsOk());
  EXPECT_NE(rig_.subscriptions().catalog().Find("s"), nullptr);
}

// ---- Reports

TEST_F(SubscriptionAdminTest, GetReturnsMostLaggingPartitionsFirst) {
  SetUpQueue(3);
  ASSERT_THAT(rig_.Publish("t", {"a"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"b", "c", "d"}, 1), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"e"}, 2), IsOk());
  rig_.Pass(absl::Seconds(7));
  v1::GetSubscriptionRequest request;
  request.set_name("s");
  request.set_max_partitions(2);
  ASSERT_OK_AND_ASSIGN(const v1::GetSubscriptionResponse response,
                       rig_.subscriptions().Get(kTester, request));
  ASSERT_EQ(response.partitions_size(), 2);
  EXPECT_EQ(response.partitions(0).partition(), 1u);
  EXPECT_EQ(response.partitions(0).lag_events(), 3u);
  EXPECT_EQ(response.partitions(1).partition(), 0u);
  EXPECT_EQ(response.stats().lag_events(), 5u);
  EXPECT_EQ(response.stats().oldest_age().seconds(), 7);
  EXPECT_EQ(response.stats().lag_bytes(), 5 * EncodeEvent(MakeEvent("a")).size());
}

TEST_F(SubscriptionAdminTest, HealthySubscriptionHasNoFindings) {
  SetUpQueue();
  EXPECT_THAT(Findings(), IsEmpty());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  ConsumeAll("s", 1);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(SubscriptionAdminTest, ReportsMissingConsumers) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  EXPECT_THAT(Findings(), ElementsAre("no consumer is connected"));
  v1::Subscription paused = Queue();
  paused.set_paused(true);
  ASSERT_THAT(rig_.UpdateSubscription(paused, {"paused"}), IsOk());
  EXPECT_THAT(Findings(), ElementsAre("it is paused", "no consumer is connected"));
}

TEST_F(SubscriptionAdminTest, ReportsFailedStore) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive();
  ASSERT_THAT(events, SizeIs(1));
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
  EXPECT_THAT(RefusedOffsets(consumer->Ack(events[0]), absl::StatusCode::kUnavailable),
              ElementsAre(0));
  EXPECT_THAT(Findings(), testing::Contains(testing::StartsWith("acks cannot be stored: ")));
  consumer->session().Close(Subscription::Ended::kByConsumer);
  consumer.reset();
  rig_.Close();
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(Findings(), ElementsAre("no consumer is connected"));
}

TEST_F(SubscriptionAdminTest, ReportsExhaustedCredit) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const auto first = rig_.Consume("s", "first", /*credit=*/1);
  EXPECT_THAT(first->Receive(), SizeIs(1));
  EXPECT_THAT(Findings(),
              ElementsAre("no credit: the only consumer has as many unacked events as allowed"));
  const auto second = rig_.Consume("s", "second", /*credit=*/3);
  EXPECT_THAT(Findings(), ElementsAre("1 of 2 consumers have no credit left: their events are not "
                                      "acked"));
  second->SetCredit(0);
  EXPECT_THAT(Findings(),
              ElementsAre("no credit: all consumers have as many unacked events as allowed"));
}

TEST_F(SubscriptionAdminTest, ReportsStateOfOldestEvent) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  auto consumer = rig_.Consume("s", "worker");
  std::vector<Received> events = consumer->Receive(2);
  EXPECT_TRUE(consumer->AckAll({events[1]}));
  rig_.Pass(absl::Seconds(5));
  const std::string head = "partition 0: the oldest unsettled event, offset 0, ";
  EXPECT_THAT(Findings(), ElementsAre(head + "attempt 1, is in flight at consumer worker"));
  EXPECT_THAT(RefusedOffsets(
                  consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "no disk", absl::Minutes(1))),
              IsEmpty());
  EXPECT_THAT(Findings(),
              ElementsAre(head + "failed 1 time and is retried at 2023-11-14T22:14:25Z; "
                                 "last reason: no disk"));
  const v1::SubscriptionPartition place = rig_.Get("s").partitions(0);
  EXPECT_EQ(place.head_attempts(), 1u);
  EXPECT_EQ(place.head_reason(), "no disk");
  EXPECT_EQ(place.head_consumer(), "");
  rig_.Pass(absl::Minutes(1));
  events = consumer->Receive(1);
  EXPECT_EQ(rig_.Get("s").partitions(0).head_consumer(), "worker");
  consumer.reset();
  EXPECT_THAT(Findings(), testing::Contains(testing::StartsWith(head + "waits for attempt 3")));
}

TEST_F(SubscriptionAdminTest, ReportsRateLimit) {
  v1::Subscription subscription = Queue();
  subscription.mutable_rate_limit()->set_events_per_second(1);
  Create(subscription);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  EXPECT_THAT(Findings(), ElementsAre("its rate limit holds deliveries back"));
}

TEST_F(SubscriptionAdminTest, ReportsConsumersWithoutPartition) {
  SetUpStream(2);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto first = rig_.Consume("s", "first");
  const auto second = rig_.Consume("s", "second");
  const auto third = rig_.Consume("s", "third");
  EXPECT_THAT(Findings(), ElementsAre("3 consumers share 2 partitions: some have none"));
}

TEST_F(SubscriptionAdminTest, ReportsEventsBlockedByKey) {
  v1::Subscription subscription = Queue();
  subscription.set_ordered_by_key(true);
  Create(subscription);
  v1::PublishStreamRequest request = MakeRequest("t", {});
  for (const char* id : {"a", "b", "c"}) *request.add_events() = MakeEvent(id, "key");
  ASSERT_THAT(rig_.Publish(request), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  EXPECT_THAT(Findings(),
              ElementsAre("2 events waiting for earlier events of their partition keys"));
}

TEST_F(SubscriptionAdminTest, ReportsLaggingConsumers) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(Findings(), IsEmpty());
  rig_.Pass(absl::Seconds(90));
  EXPECT_THAT(Findings(),
              ElementsAre("nothing blocks it; its consumers are 1m30s behind and working"));
}

TEST_F(SubscriptionAdminTest, GetDescribesConsumers) {
  SetUpStream(3);
  const auto second = rig_.Consume("s", "b", /*credit=*/7);
  const auto first = rig_.Consume("s", "a");
  EXPECT_THAT(second->Receive(), IsEmpty());
  ASSERT_THAT(rig_.Publish("t", {"x", "y"}), IsOk());
  const std::vector<Received> events = second->Receive(2);
  EXPECT_TRUE(second->AckAll({events[0]}));
  second->Leave();
  const v1::GetSubscriptionResponse response = rig_.Get("s");
  ASSERT_EQ(response.consumers_size(), 2);
  EXPECT_EQ(response.consumers(0).name(), "a");
  EXPECT_EQ(response.consumers(0).credit().events(), 1000u);
  EXPECT_THAT(response.consumers(0).partitions(), SizeIs(2));
  EXPECT_FALSE(response.consumers(0).has_last_ack_time());
  const v1::ConsumerInfo& leaving = response.consumers(1);
  EXPECT_EQ(leaving.name(), "b");
  EXPECT_EQ(leaving.address(), "test:1");
  EXPECT_EQ(leaving.credit().events(), 7u);
  EXPECT_EQ(leaving.in_use().events(), 1u);
  EXPECT_THAT(leaving.partitions(), ElementsAre(0));
  EXPECT_EQ(leaving.acked_events(), 1u);
  EXPECT_TRUE(leaving.has_last_ack_time());
  EXPECT_TRUE(leaving.leaving());
  EXPECT_EQ(response.partitions(0).consumer(), "b");
}

}  // namespace
}  // namespace eventhub
