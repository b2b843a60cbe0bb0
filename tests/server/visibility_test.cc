// A commit is seen as a whole: who gets what its acks free can read what it appended. The tests
// stand between the write of a commit and its sync, when it is decided and nobody may know.
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "server/core/transaction.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/events.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class VisibilityTest : public SubscriptionTest {
 protected:
  using Outcome = std::future<absl::StatusOr<v1::TransactResponse>>;

  void SetUp() override {
    SubscriptionTest::SetUp();
    ASSERT_THAT(rig_.Create("out"), IsOk());
  }
  void TearDown() override { rig_.disk.ReleaseSyncs(); }

  // Commits are written from here on, and not visible, if they are to be synced.
  void Hold() { rig_.disk.HoldSyncs(); }
  void AwaitHeld() {
    ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() > 0; }));
  }
  void Release() { rig_.disk.ReleaseSyncs(); }

  // A transaction that acks the events, if there are any, and appends to `out`.
  Outcome Transact(const TestConsumer& consumer, const std::vector<Received>& events,
                   const std::string& append) {
    v1::TransactRequest request;
    request.set_durability(v1::DURABILITY_SYNCED);
    v1::TransactAppend& out = *request.add_appends();
    out.set_topic("out");
    *out.add_events() = MakeEvent(append);
    for (const Received& event : events) {
      v1::TransactAcks& acks = *request.mutable_acks();
      acks.set_subscription("s");
      acks.set_session(consumer.said.opened().session());
      v1::Ack& ack = *acks.add_acks();
      ack.set_partition(event.partition);
      ack.set_lease_epoch(event.epoch);
      ack.set_exact(true);
      ack.add_ranges()->set_start(event.offset);
      ack.mutable_ranges(0)->set_end(event.offset + 1);
    }
    auto outcome = std::make_shared<std::promise<absl::StatusOr<v1::TransactResponse>>>();
    Outcome future = outcome->get_future();
    const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    EXPECT_THAT(parsed, IsOk());
    rig_.broker().Transact(*parsed, [outcome](absl::StatusOr<v1::TransactResponse> response) {
      outcome->set_value(std::move(response));
    });
    return future;
  }

  std::vector<std::string> Ids(const std::string& topic) { return rig_.Read(topic)->Ids(); }
  v1::SubscriptionPartition Partition() { return rig_.Get("s").partitions(0); }
};

TEST_F(VisibilityTest, NewOwnerOfAPartitionComesAfterTheTransactionOfTheOld) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const auto first = rig_.Consume("s", "first", /*credit=*/2);
  const std::vector<Received> events = first->Receive(2);
  Hold();
  Outcome outcome = Transact(*first, events, "x");
  AwaitHeld();
  first->session().Close();
  const auto second = rig_.Consume("s", "second");
  // Nothing is said yet: where it begins tells what is settled.
  EXPECT_THAT(second->Receive(), IsEmpty());
  EXPECT_EQ(second->said.assigned_size(), 0);
  EXPECT_EQ(second->caught_up, 0);
  EXPECT_EQ(Partition().acked_offset(), 0);
  EXPECT_EQ(Partition().lag_events(), 3u);
  EXPECT_EQ(rig_.Get("s").stats().acked_events(), 0u);
  EXPECT_THAT(Ids("out"), IsEmpty());
  Release();
  EXPECT_THAT(IdsOf(second->Receive(1)), ElementsAre("c"));
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
  ASSERT_EQ(second->said.assigned_size(), 1);
  EXPECT_EQ(second->said.assigned(0).next_offset(), 2);
  EXPECT_THAT(outcome.get(), IsOk());
  EXPECT_EQ(rig_.Get("s").stats().acked_events(), 2u);
}

// The first stays; what it settled lets the partition go.
TEST_F(VisibilityTest, PartitionThatMovesWaitsForTheCommitThatSettlesTheLast) {
  SetUpStream(2);
  for (uint32_t p = 0; p < 2; ++p) ASSERT_THAT(rig_.Publish("t", {"a"}, p), IsOk());
  const auto first = rig_.Consume("s", "first");
  const std::vector<Received> events = first->Receive(2);
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(first->Receive(), IsEmpty());
  ASSERT_EQ(first->said.draining_size(), 1);
  const uint32_t moving = first->said.draining(0).partition();
  ASSERT_THAT(rig_.Publish("t", {"b"}, moving), IsOk());
  Hold();
  Outcome outcome = Transact(*first, {events[events[0].partition == moving ? 0 : 1]}, "x");
  AwaitHeld();
  EXPECT_THAT(second->Receive(), IsEmpty());
  EXPECT_EQ(second->said.assigned_size(), 0);
  Release();
  EXPECT_THAT(IdsOf(second->Receive(1)), ElementsAre("b"));
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
  EXPECT_THAT(outcome.get(), IsOk());
}

TEST_F(VisibilityTest, NextEventOfAKeyComesAfterTheTransactionOfTheOneBefore) {
  v1::Subscription queue = Queue();
  queue.set_ordered_by_key(true);
  Create(queue);
  v1::PublishStreamRequest request = MakeRequest("t", {});
  for (const char* id : {"a", "b"}) *request.add_events() = MakeEvent(id, "key");
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  const auto first = rig_.Consume("s", "first");
  const auto second = rig_.Consume("s", "second");
  const std::vector<Received> events = first->Receive(1);
  Hold();
  Outcome outcome = Transact(*first, events, "x");
  AwaitHeld();
  EXPECT_THAT(first->Receive(), IsEmpty());
  ASSERT_THAT(second->PollAnyway(), IsOk());
  EXPECT_THAT(second->events, IsEmpty());
  EXPECT_EQ(Partition().acked_offset(), 0);
  // It is settled all the same: neither its consumer's end nor the clock brings it again.
  first->session().Close();
  rig_.Pass(absl::Hours(1));
  ASSERT_THAT(second->PollAnyway(), IsOk());
  EXPECT_THAT(second->events, IsEmpty());
  Release();
  EXPECT_THAT(IdsOf(second->Receive(1)), ElementsAre("b"));
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
  EXPECT_THAT(outcome.get(), IsOk());
}

// Commits are seen in their order: one that need not be synced waits for one that has to be.
TEST_F(VisibilityTest, AckBehindASyncedPublishWaitsForIt) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  auto first = rig_.Consume("s", "first", /*credit=*/1);
  const std::vector<Received> events = first->Receive(1);
  Hold();
  Outcome outcome = Transact(*first, {}, "x");
  AwaitHeld();
  v1::ConsumeRequest acks;
  v1::Ack& ack = *acks.add_acks();
  ack.set_lease_epoch(events[0].epoch);
  ack.add_ranges()->set_end(1);
  ASSERT_THAT(first->session().Take(std::move(acks)), IsOk());
  // Credit comes back at once.
  EXPECT_THAT(IdsOf(first->Receive(1)), ElementsAre("b"));
  EXPECT_EQ(Partition().acked_offset(), 0);
  Release();
  EXPECT_TRUE(Eventually([&] { return Partition().acked_offset() == 1; }));
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
}

// Nobody knows whether it is settled, so it is neither called settled nor delivered again.
TEST_F(VisibilityTest, WhatAFailedCommitSettledWaitsForARestart) {
  v1::Subscription queue = Queue();
  queue.set_ordered_by_key(true);
  Create(queue);
  v1::PublishStreamRequest request = MakeRequest("t", {});
  for (const char* id : {"a", "b"}) *request.add_events() = MakeEvent(id, "key");
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(1);
    Hold();
    Outcome outcome = Transact(*consumer, events, "x");
    AwaitHeld();
    rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
    Release();
    EXPECT_THAT(outcome.get(), StatusIs(StatusCode::kUnavailable));
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    EXPECT_EQ(Partition().acked_offset(), 0);
    EXPECT_EQ(Partition().lag_events(), 2u);
    EXPECT_THAT(Ids("out"), IsEmpty());
    // It is not the consumer's any more, which can end.
    consumer->Leave();
    ASSERT_THAT(consumer->PollAnyway(), IsOk());
    EXPECT_TRUE(consumer->ended());
  }
  rig_.disk.FailSyncs(FaultEnv::Fault::kNone);
  rig_.Reopen();
  // Both or neither.
  EXPECT_EQ(Partition().acked_offset(), static_cast<int64_t>(Ids("out").size()));
}

TEST_F(VisibilityTest, DeadLetterIsThereBeforeItsKeyGoesOn) {
  v1::Subscription queue = Queue();
  queue.set_ordered_by_key(true);
  Create(queue);
  v1::PublishStreamRequest request = MakeRequest("t", {});
  for (const char* id : {"a", "b"}) *request.add_events() = MakeEvent(id, "key");
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const Received event = consumer->Receive(1)[0];
  Hold();
  v1::ConsumeRequest nacks;
  v1::Nack& nack = *nacks.add_nacks();
  nack.set_lease_epoch(event.epoch);
  nack.set_action(v1::Nack::ACTION_PARK);
  nack.add_ranges()->set_end(1);
  ASSERT_THAT(consumer->session().Take(std::move(nacks)), IsOk());
  AwaitHeld();
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(Partition().lag_events(), 2u);
  EXPECT_EQ(rig_.Get("s").stats().dead_lettered_events(), 0u);
  EXPECT_EQ(rig_.Get("s").stats().open_dead_letters(), 0u);
  Release();
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("b"));
  EXPECT_THAT(Ids(rig_.Get("s").subscription().dead_letter_topic()), ElementsAre("a"));
  EXPECT_TRUE(Eventually([&] { return rig_.Get("s").stats().open_dead_letters() == 1; }));
}

TEST_F(VisibilityTest, RedrivenEventComesWithTheCommitThatClosesItsDeadLetter) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Nack(consumer->Receive(1)[0], v1::Nack::ACTION_PARK).refused(), IsEmpty());
  ASSERT_THAT(rig_.DeadLetters("s"), SizeIs(1));
  Hold();
  auto redrive = std::async(std::launch::async, [&] {
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    request.mutable_selector();
    return rig_.subscriptions().RedriveDeadLetters(request)->events();
  });
  AwaitHeld();
  ASSERT_THAT(consumer->PollAnyway(), IsOk());
  EXPECT_THAT(consumer->events, IsEmpty());
  EXPECT_EQ(rig_.Get("s").stats().open_dead_letters(), 1u);
  Release();
  EXPECT_EQ(redrive.get(), 1u);
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
}

TEST_F(VisibilityTest, SeekIsFollowedWhenItIsVisible) {
  for (const v1::Subscription& subscription : {Stream(), Queue()}) {
    Create(subscription);
    ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
    const auto consumer = rig_.Consume("s", "c");
    EXPECT_TRUE(consumer->AckAll(consumer->Receive(1)));
    Hold();
    auto seek = std::async(std::launch::async, [&] { SeekToEarliest(); });
    AwaitHeld();
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    Release();
    seek.get();
    EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

// What a snapshot has not is what the commits before it settled.
TEST_F(VisibilityTest, SnapshotAndReplayComeAfterWhatIsNotVisibleYet) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(2);
  Hold();
  Outcome outcome = Transact(*consumer, {events[0]}, "x");
  AwaitHeld();
  auto changes = std::async(std::launch::async, [&] {
    EXPECT_THAT(rig_.CreateSnapshot("s", "snapshot"), IsOk());
    v1::ReplaySubscriptionRequest replay;
    replay.set_name("s");
    replay.mutable_start()->set_earliest(true);
    const auto replayed = rig_.Replay(replay);
    return replayed.ok() ? replayed->events() : 0;
  });
  Release();
  EXPECT_EQ(changes.get(), 1u);
  EXPECT_THAT(outcome.get(), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.set_snapshot("snapshot");
  ASSERT_THAT(rig_.Seek(seek), IsOk());
  EXPECT_EQ(Partition().acked_offset(), 1);
}

TEST_F(VisibilityTest, DelayedEventIsListedUntilItCanBeRead) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  v1::PublishStreamRequest request = MakeRequest("t", {});
  v1::Event& event = *request.add_events() = MakeEvent("later");
  event.mutable_deliver_after()->set_seconds(60);
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  const auto delayed = [&] { return rig_.broker().GetTopic("t")->stats().delayed_events(); };
  Hold();
  rig_.clock.Advance(absl::Minutes(1));
  std::thread release([&] { rig_.broker().delayed().RunDue(); });
  AwaitHeld();
  EXPECT_EQ(delayed(), 1u);
  auto list = std::async(std::launch::async, [&] {
    v1::ListDelayedEventsRequest of;
    of.set_topic("t");
    const auto listed = rig_.broker().delayed().List(of);
    return std::pair(listed.ok() ? listed->events_size() : -1, Ids("t").size());
  });
  Release();
  const auto [listed, readable] = list.get();
  EXPECT_EQ(listed + readable, 1u);
  release.join();
  EXPECT_EQ(delayed(), 0u);
}

}  // namespace
}  // namespace eventhub
