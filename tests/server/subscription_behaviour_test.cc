// Subscriptions, one behaviour each.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using SubscriptionBehaviourTest = SubscriptionTest;

TEST_F(SubscriptionBehaviourTest, AckDeadlineMovesAStreamThatReadsFromTheDisk) {
  rig_.tail_cache_bytes = 1;
  rig_.Reopen();
  v1::Subscription subscription = Stream();
  *subscription.mutable_ack_deadline() = ToProto(absl::Seconds(1));
  Create(subscription);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto first = rig_.Consume("s", "first");
  EXPECT_THAT(IdsOf(first->Receive(2)), ElementsAre("a", "b"));
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(second->Receive(), IsEmpty());
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(IdsOf(second->Receive(2)), ElementsAre("a", "b"));
}

TEST_F(SubscriptionBehaviourTest, ANewAckDeadlineOfAStreamBeginsWhenItIsSet) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto first = rig_.Consume("s", "first");
  EXPECT_THAT(first->Receive(), SizeIs(1));
  rig_.Pass(absl::Hours(1));
  v1::Subscription subscription = Stream();
  *subscription.mutable_ack_deadline() = ToProto(absl::Seconds(10));
  ASSERT_THAT(rig_.UpdateSubscription(subscription, {"ack_deadline"}), IsOk());
  const auto second = rig_.Consume("s", "second");
  rig_.Pass(absl::Seconds(9));
  EXPECT_THAT(second->Receive(), IsEmpty());
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(second->Receive(), SizeIs(1));
}

TEST_F(SubscriptionBehaviourTest, SeekKnowsPartitionsThatNobodyConsumedYet) {
  SetUpQueue();
  v1::Topic topic;
  topic.set_name("t");
  topic.set_partitions(3);
  ASSERT_THAT(rig_.Update(topic, {"partitions"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a"}, 2), IsOk());
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  request.mutable_start()->set_latest(true);
  const auto moved = rig_.Seek(request);
  ASSERT_THAT(moved, IsOk());
  ASSERT_EQ(moved->moves_size(), 3);
  EXPECT_EQ(moved->moves(2).to_offset(), 1);
  EXPECT_THAT(rig_.Consume("s", "c")->Receive(), IsEmpty());
}

TEST_F(SubscriptionBehaviourTest, EpochsGrowOverRestarts) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> before = consumer->Receive();
  ASSERT_THAT(before, SizeIs(1));
  consumer.reset();
  rig_.Reopen();
  consumer = rig_.Consume("s", "c");
  const std::vector<Received> after = consumer->Receive();
  ASSERT_THAT(after, SizeIs(1));
  EXPECT_GT(after[0].epoch, before[0].epoch);
  EXPECT_EQ(after[0].attempt, 2u);
  EXPECT_THAT(RefusedOffsets(consumer->Ack(before[0])), ElementsAre(0));
  EXPECT_THAT(RefusedOffsets(consumer->Ack(after[0])), IsEmpty());
}

TEST_F(SubscriptionBehaviourTest, AFailedStoreRefusesSettlementsAndLosesNothing) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_THAT(RefusedOffsets(consumer->Ack(events[0])), IsEmpty());
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
  EXPECT_THAT(RefusedOffsets(consumer->Ack(events[1]), StatusCode::kUnavailable), ElementsAre(1));
  consumer.reset();
  rig_.Close();
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(IdsOf(rig_.Consume("s", "c")->Receive()), ElementsAre("b"));
}

TEST_F(SubscriptionBehaviourTest, ATrimThatIsNotDurableYetIsNoDamage) {
  SetUpQueue();
  v1::Topic topic;
  topic.set_name("t");
  topic.mutable_retention()->mutable_max_age()->set_seconds(60);
  ASSERT_THAT(rig_.Update(topic, {"retention.max_age"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  rig_.Reopen();  // On the disk only.
  const auto consumer = rig_.Consume("s", "c");
  const auto reader = rig_.broker().OpenReader(ReadOf("t"));
  ASSERT_THAT(reader, IsOk());
  rig_.disk.HoldSyncs();
  rig_.clock.Advance(absl::Hours(1));
  EXPECT_TRUE(Eventually([&] { return rig_.disk.held_syncs() > 0; }));
  EXPECT_THAT(consumer->Poll(1), IsOk());
  EXPECT_THAT(consumer->events, IsEmpty());
  EXPECT_THAT(BrokerRig::Drain(**reader), StatusIs(StatusCode::kOutOfRange));
  rig_.disk.ReleaseSyncs();
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(consumer->PollAnyway(), IsOk());
    return consumer->said.trimmed_size() > 0;
  }));
  EXPECT_EQ(rig_.Get("s").stats().lost_events(), 2u);
}

TEST_F(SubscriptionBehaviourTest, IsNotExpiredByAKillWhileItWasUsed) {
  v1::Subscription subscription = Queue();
  *subscription.mutable_expire_after() = ToProto(absl::Minutes(1));
  Create(subscription);
  auto consumer = rig_.Consume("s", "c");
  rig_.Pass(absl::Minutes(2));
  ASSERT_THAT(rig_.subscriptions().Expire(), IsOk());
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
  consumer.reset();
  rig_.Close();
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  ASSERT_THAT(rig_.Open(), IsOk());
  ASSERT_THAT(rig_.subscriptions().Expire(), IsOk());
  EXPECT_NE(rig_.subscriptions().catalog().Find("s"), nullptr);
  rig_.Pass(absl::Minutes(1));
  ASSERT_THAT(rig_.subscriptions().Expire(), IsOk());
  EXPECT_EQ(rig_.subscriptions().catalog().Find("s"), nullptr);
}

}  // namespace
}  // namespace eventhub
