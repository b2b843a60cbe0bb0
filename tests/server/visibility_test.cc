// A commit becomes visible as a whole: whoever benefits from its acks can read the events that it
// appended. The tests stop between the write of a commit and its sync, when it is decided but must
// not be visible.
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "server/core/transaction/transaction.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
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

  // From here on synced commits are written but not visible.
  void Hold() { rig_.disk.HoldSyncs(); }
  void AwaitHeld() {
    ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() > 0; }));
  }
  void Release() { rig_.disk.ReleaseSyncs(); }

  // A transaction that acks `events`, if any, and appends to `out`.
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
    rig_.broker().transactions().Transact(kTester, *parsed,
                                          [outcome](absl::StatusOr<v1::TransactResponse> response) {
                                            outcome->set_value(std::move(response));
                                          });
    return future;
  }

  std::vector<std::string> Ids(const std::string& topic) { return rig_.Read(topic)->Ids(); }
  v1::SubscriptionPartition Partition() { return rig_.Get("s").partitions(0); }
};

TEST_F(VisibilityTest, NewOwnerWaitsForTransactionOfOldOwner) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const auto first = rig_.Consume("s", "first", /*credit=*/2);
  const std::vector<Received> events = first->Receive(2);
  Hold();
  Outcome outcome = Transact(*first, events, "x");
  AwaitHeld();
  first->session().Close(Subscription::Ended::kByConsumer);
  const auto second = rig_.Consume("s", "second");
  // No notice yet: its start would reveal which events are settled.
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

// The event is given up, and its dead letter is not even begun.
TEST_F(VisibilityTest, NewOwnerWaitsForDeadLetters) {
  v1::Subscription stream = Stream();
  stream.set_ack_durability(v1::DURABILITY_SYNCED);
  Create(stream);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const auto first = rig_.Consume("s", "first", /*credit=*/2);
  const std::vector<Received> events = first->Receive(2);
  Hold();
  v1::ConsumeRequest nacks;
  v1::Nack& nack = *nacks.add_nacks();
  nack.set_lease_epoch(events[0].epoch);
  nack.set_action(v1::Nack::ACTION_PARK);
  nack.add_ranges()->set_end(1);
  ASSERT_THAT(first->session().Take(std::move(nacks)), IsOk());
  AwaitHeld();
  first->session().Close(Subscription::Ended::kByConsumer);
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(second->Receive(), IsEmpty());
  EXPECT_EQ(second->said.assigned_size(), 0);
  EXPECT_EQ(second->caught_up, 0);
  Release();
  const std::vector<Received> rest = second->Receive(2);
  EXPECT_THAT(IdsOf(rest), ElementsAre("b", "c"));
  EXPECT_THAT(Ids(rig_.Get("s").subscription().dead_letter_topic()), ElementsAre("a"));
  ASSERT_EQ(second->said.assigned_size(), 1);
  EXPECT_EQ(second->said.assigned(0).next_offset(), 1);
}

// The dead-letter topic is full: the event comes back, and nothing overtakes it.
TEST_F(VisibilityTest, NewOwnerStartsWhenParkingFails) {
  v1::Topic full;
  full.set_name("s.dead-letters");
  full.mutable_retention()->set_max_bytes(1);
  full.mutable_retention()->set_refuse_when_full(true);
  ASSERT_THAT(rig_.Create(full), IsOk());
  ASSERT_THAT(rig_.Publish("s.dead-letters", {"fills it"}), IsOk());
  v1::Subscription stream = Stream();
  stream.set_ack_durability(v1::DURABILITY_SYNCED);
  Create(stream);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto first = rig_.Consume("s", "first", /*credit=*/1);
  const std::vector<Received> events = first->Receive(1);
  Hold();
  v1::ConsumeRequest nacks;
  v1::Nack& nack = *nacks.add_nacks();
  nack.set_lease_epoch(events[0].epoch);
  nack.set_action(v1::Nack::ACTION_PARK);
  nack.add_ranges()->set_end(1);
  ASSERT_THAT(first->session().Take(std::move(nacks)), IsOk());
  AwaitHeld();
  first->session().Close(Subscription::Ended::kByConsumer);
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(second->Receive(), IsEmpty());
  EXPECT_EQ(second->said.assigned_size(), 0);
  Release();
  ASSERT_TRUE(Eventually([&] { return rig_.Get("s").stats().delayed_events() == 1; }));
  // The event is delayed before the consumers are woken.
  ASSERT_TRUE(Eventually([&] {
    EXPECT_THAT(second->Receive(), IsEmpty());
    return second->said.assigned_size() == 1;
  }));
  EXPECT_EQ(second->said.assigned(0).next_offset(), 0);
  rig_.Pass(absl::Hours(1));
  EXPECT_THAT(IdsOf(second->Receive(2)), ElementsAre("a", "b"));
}

// A replay replaces the settled events; this does not make the settling transaction visible.
TEST_F(VisibilityTest, NewOwnerWaitsForTransactionOfReplayedEvents) {
  SetUpStream();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto first = rig_.Consume("s", "first", /*credit=*/1);
  const std::vector<Received> events = first->Receive(1);
  Hold();
  Outcome outcome = Transact(*first, events, "x");
  AwaitHeld();
  const auto commits = [&] { return rig_.broker().GetStats(kTester).commits(); };
  const uint64_t before = commits();
  auto replay = std::async(std::launch::async, [&] {
    v1::ReplaySubscriptionRequest request;
    request.set_name("s");
    request.mutable_start()->set_earliest(true);
    return rig_.Replay(request);
  });
  ASSERT_TRUE(Eventually([&] { return commits() > before; }));
  EXPECT_EQ(Partition().acked_offset(), 0);
  EXPECT_EQ(Partition().lag_events(), 2u);
  first->session().Close(Subscription::Ended::kByConsumer);
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(second->Receive(), IsEmpty());
  EXPECT_EQ(second->said.assigned_size(), 0);
  Release();
  EXPECT_THAT(replay.get(), IsOk());
  EXPECT_THAT(IdsOf(second->Receive(2)), testing::UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
  EXPECT_THAT(outcome.get(), IsOk());
  EXPECT_EQ(Partition().acked_offset(), 1);
  EXPECT_EQ(Partition().lag_events(), 1u);
}

// The first consumer stays; the events that it settled release the partition.
TEST_F(VisibilityTest, MovingPartitionWaitsForLastSettlingCommit) {
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

TEST_F(VisibilityTest, NextEventOfKeyWaitsForPreviousTransaction) {
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
  // It is settled nevertheless: neither its consumer's end nor the clock redelivers it.
  first->session().Close(Subscription::Ended::kByConsumer);
  rig_.Pass(absl::Hours(1));
  ASSERT_THAT(second->PollAnyway(), IsOk());
  EXPECT_THAT(second->events, IsEmpty());
  Release();
  EXPECT_THAT(IdsOf(second->Receive(1)), ElementsAre("b"));
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
  EXPECT_THAT(outcome.get(), IsOk());
}

// Commits become visible in order: an unsynced commit waits for a synced one before it.
TEST_F(VisibilityTest, AckWaitsForEarlierSyncedPublish) {
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
  // Credit is returned at once.
  EXPECT_THAT(IdsOf(first->Receive(1)), ElementsAre("b"));
  EXPECT_EQ(Partition().acked_offset(), 0);
  Release();
  EXPECT_TRUE(Eventually([&] { return Partition().acked_offset() == 1; }));
  EXPECT_THAT(Ids("out"), ElementsAre("x"));
}

// It is unknown whether the event is settled, so it is neither reported as settled nor redelivered.
TEST_F(VisibilityTest, EventsSettledByFailedCommitWaitForRestart) {
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
    // It no longer belongs to the consumer, which can end.
    consumer->Leave();
    ASSERT_THAT(consumer->PollAnyway(), IsOk());
    EXPECT_TRUE(consumer->ended());
  }
  rig_.disk.FailSyncs(FaultEnv::Fault::kNone);
  rig_.Reopen();
  // Both or neither.
  EXPECT_EQ(Partition().acked_offset(), static_cast<int64_t>(Ids("out").size()));
}

TEST_F(VisibilityTest, DeadLetterIsVisibleBeforeNextEventOfKey) {
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

TEST_F(VisibilityTest, RedrivenEventWaitsUntilItsLetterIsClosed) {
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
    return rig_.Redrive(request)->events();
  });
  AwaitHeld();
  ASSERT_THAT(consumer->PollAnyway(), IsOk());
  EXPECT_THAT(consumer->events, IsEmpty());
  EXPECT_EQ(rig_.Get("s").stats().open_dead_letters(), 1u);
  Release();
  EXPECT_EQ(redrive.get(), 1u);
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
}

// It would be delivered anyway, but not for the letter.
TEST_F(VisibilityTest, RedrivenEventOfReplayWaitsUntilItsLetterIsClosed) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Nack(consumer->Receive(1)[0], v1::Nack::ACTION_PARK).refused(), IsEmpty());
  ASSERT_THAT(rig_.DeadLetters("s"), SizeIs(1));
  consumer->SetCredit(0);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_OK_AND_ASSIGN(const v1::ReplaySubscriptionResponse replayed, rig_.Replay(replay));
  EXPECT_EQ(replayed.events(), 1u);
  Hold();
  auto redrive = std::async(std::launch::async, [&] {
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    request.mutable_selector();
    return rig_.Redrive(request)->events();
  });
  AwaitHeld();
  consumer->SetCredit(10);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(rig_.Get("s").stats().open_dead_letters(), 1u);
  Release();
  EXPECT_EQ(redrive.get(), 1u);
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
  EXPECT_EQ(rig_.Get("s").stats().open_dead_letters(), 0u);
}

class VisibilityByKindTest : public VisibilityTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    VisibilityTest::SetUp();
    Create(GetParam() ? Queue() : Stream());
  }
};

INSTANTIATE_TEST_SUITE_P(All, VisibilityByKindTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Queue" : "Stream"; });

TEST_P(VisibilityByKindTest, SeekTakesEffectOnceVisible) {
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
}

class SecondRedriveTest : public VisibilityTest, public testing::WithParamInterface<bool> {};

// The deletion of the last letter is in a commit that is not visible.
TEST_P(SecondRedriveTest, WaitsForFirstRedrive) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Nack(consumer->Receive(1)[0], v1::Nack::ACTION_PARK).refused(), IsEmpty());
  ASSERT_TRUE(Eventually([&] { return rig_.Get("s").stats().open_dead_letters() == 1; }));
  const auto redrive = [&](bool dry) {
    auto answer = std::make_shared<std::promise<absl::StatusOr<v1::RedriveDeadLettersResponse>>>();
    v1::RedriveDeadLettersRequest request;
    request.set_subscription("s");
    request.mutable_selector();
    request.set_dry_run(dry);
    rig_.subscriptions().dead_letters().Redrive(
        kTester, request, rig_.pool(),
        [answer](absl::StatusOr<v1::RedriveDeadLettersResponse> response) {
          answer->set_value(std::move(response));
        });
    return answer->get_future();
  };
  Hold();
  auto first = redrive(false);
  AwaitHeld();
  auto second = redrive(/*dry=*/GetParam());
  EXPECT_EQ(second.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  Release();
  ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse done, first.get());
  EXPECT_EQ(done.events(), 1u);
  ASSERT_OK_AND_ASSIGN(const v1::RedriveDeadLettersResponse rest, second.get());
  EXPECT_EQ(rest.events(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, SecondRedriveTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Dry" : "Real"; });

// Reports and deliveries use the visible settings.
TEST_F(VisibilityTest, SettingsApplyOnceVisible) {
  v1::Subscription paused = Queue();
  paused.set_paused(true);
  Create(paused);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  Hold();
  auto updated = std::async(std::launch::async, [&] {
    v1::Subscription settings = Queue();
    settings.mutable_ack_deadline()->set_seconds(7);
    return rig_.UpdateSubscription(settings, {"paused", "ack_deadline"}).status();
  });
  AwaitHeld();
  ASSERT_THAT(consumer->PollAnyway(), IsOk());
  EXPECT_THAT(consumer->events, IsEmpty());
  EXPECT_FALSE(consumer->said.has_ack_deadline());
  EXPECT_TRUE(rig_.Get("s").subscription().paused());
  EXPECT_EQ(rig_.Get("s").subscription().ack_deadline().seconds(), 30);
  Release();
  EXPECT_THAT(updated.get(), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
  EXPECT_EQ(consumer->said.ack_deadline().seconds(), 7);
  EXPECT_FALSE(rig_.Get("s").subscription().paused());
}

TEST_F(VisibilityTest, SettingsOfFailedCommitDoNotApply) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Hold();
  auto updated = std::async(std::launch::async, [&] {
    v1::Subscription settings = Queue();
    settings.set_paused(true);
    return rig_.UpdateSubscription(settings, {"paused"}).status();
  });
  AwaitHeld();
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  Release();
  EXPECT_THAT(updated.get(), StatusIs(StatusCode::kUnavailable));
  EXPECT_FALSE(rig_.Get("s").subscription().paused());
  EXPECT_THAT(rig_.Consume("s", "c")->Receive(), SizeIs(1));
}

// The end of a consumer also writes the record.
TEST_F(VisibilityTest, PendingSettingsAreNotOverwritten) {
  SetUpQueue();
  auto consumer = rig_.Consume("s", "c");
  Hold();
  auto updated = std::async(std::launch::async, [&] {
    v1::Subscription settings = Queue();
    settings.set_description("new");
    return rig_.UpdateSubscription(settings, {"description"}).status();
  });
  AwaitHeld();
  consumer.reset();
  Release();
  EXPECT_THAT(updated.get(), IsOk());
  rig_.Reopen();
  EXPECT_EQ(rig_.Get("s").subscription().description(), "new");
}

TEST_P(VisibilityByKindTest, ReportsSeekOnceVisible) {
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive(2)));
  Hold();
  auto seek = std::async(std::launch::async, [&] { SeekToEarliest(); });
  AwaitHeld();
  EXPECT_EQ(Partition().acked_offset(), 2);
  EXPECT_EQ(Partition().lag_events(), 0u);
  // Retention respects both positions.
  const auto known = rig_.subscriptions().catalog().Find("s");
  std::vector<NeededFrom> needed{{PartitionId(0)}};
  known->LowerTo(needed);
  EXPECT_EQ(needed[0].first, Offset(0));
  Release();
  seek.get();
  EXPECT_EQ(Partition().acked_offset(), 0);
  EXPECT_EQ(Partition().lag_events(), 2u);
}

// Whether its commit and the seek become visible together or one after another.
TEST_P(VisibilityByKindTest, ReportsAcksBeforeSeek) {
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(3);
  Hold();
  Outcome first = Transact(*consumer, {events[0]}, "of a");
  AwaitHeld();
  auto seek = std::async(std::launch::async, [&] {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    request.mutable_start()->set_latest(true);
    ASSERT_THAT(rig_.Seek(request), IsOk());
  });
  // The consumer is notified when the seek is prepared.
  ASSERT_TRUE(Eventually([&] {
    EXPECT_THAT(consumer->PollAnyway(), IsOk());
    return consumer->said.revoked_size() > 0;
  }));
  EXPECT_EQ(Partition().acked_offset(), 0);
  Release();
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() == 0; }));
  Hold();  // Holds the sync of the seek, if it has not begun.
  ASSERT_THAT(first.get(), IsOk());
  EXPECT_GE(Partition().acked_offset(), 1);
  EXPECT_LE(Partition().lag_events(), 2u);
  Release();
  seek.get();
  EXPECT_EQ(Partition().acked_offset(), 3);
  EXPECT_EQ(Partition().lag_events(), 0u);
}

TEST_F(VisibilityTest, ReplaysStartAndEndOnceVisible) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive(2)));
  consumer->SetCredit(1);
  const auto replaying = [&] { return rig_.Get("s").stats().replay_events(); };
  Hold();
  auto replay = std::async(std::launch::async, [&] {
    v1::ReplaySubscriptionRequest request;
    request.set_name("s");
    request.mutable_start()->set_earliest(true);
    request.mutable_rate_limit()->set_events_per_second(1);
    return rig_.Replay(request);
  });
  AwaitHeld();
  EXPECT_EQ(replaying(), 0u);
  Release();
  ASSERT_THAT(replay.get(), IsOk());
  EXPECT_EQ(replaying(), 2u);
  const std::vector<Received> first = consumer->Receive(1);  // As many as its rate allows.
  Hold();
  auto cancelled = std::async(std::launch::async, [&] { return rig_.CancelReplays("s"); });
  AwaitHeld();
  EXPECT_EQ(replaying(), 2u);
  // For all later commits the replay has ended.
  rig_.Pass(absl::Seconds(10));
  consumer->SetCredit(2);
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  Release();
  const auto answer = cancelled.get();
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->events(), 1u);
  EXPECT_EQ(replaying(), 1u);
  EXPECT_TRUE(consumer->AckAll(first));
  EXPECT_EQ(replaying(), 0u);
}

TEST_F(VisibilityTest, CountsSettledEventsOnceVisible) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(2);
  Hold();
  v1::ConsumeRequest request;
  v1::Ack& ack = *request.add_acks();
  ack.set_lease_epoch(events[0].epoch);
  ack.add_ranges()->set_end(1);
  v1::Nack& nack = *request.add_nacks();
  nack.set_lease_epoch(events[1].epoch);
  nack.add_ranges()->set_start(1);
  nack.mutable_ranges(0)->set_end(2);
  ASSERT_THAT(consumer->session().Take(std::move(request)), IsOk());
  AwaitHeld();
  const auto counted = [&](uint64_t acked, uint64_t nacked) {
    const v1::GetSubscriptionResponse got = rig_.Get("s");
    return got.stats().acked_events() == acked && got.stats().nacked_events() == nacked &&
           got.stats().has_last_ack_time() == (acked > 0) &&
           got.consumers(0).acked_events() == acked && got.consumers(0).nacked_events() == nacked;
  };
  EXPECT_TRUE(counted(0, 0));
  Release();
  EXPECT_TRUE(Eventually([&] { return counted(1, 1); }));
}

// Events missing in a snapshot were settled by earlier commits.
TEST_F(VisibilityTest, SnapshotAndReplayFollowPendingCommits) {
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

TEST_F(VisibilityTest, DelayedEventIsListedUntilReadable) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  v1::PublishStreamRequest request = MakeRequest("t", {});
  v1::Event& event = *request.add_events() = MakeEvent("later");
  event.mutable_deliver_after()->set_seconds(60);
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  const auto delayed = [&] {
    return rig_.broker().topics().Get(kTester, "t")->stats().delayed_events();
  };
  Hold();
  rig_.clock.Advance(absl::Minutes(1));
  std::thread release([&] { rig_.broker().delayed().RunDue(); });
  AwaitHeld();
  EXPECT_EQ(delayed(), 1u);
  auto list = std::async(std::launch::async, [&] {
    v1::ListDelayedEventsRequest of;
    of.set_topic("t");
    const auto listed = rig_.broker().delayed().List(kTester, of);
    return std::pair(listed.ok() ? listed->events_size() : -1, Ids("t").size());
  });
  Release();
  const auto [listed, readable] = list.get();
  EXPECT_EQ(listed + readable, 1u);
  release.join();
  EXPECT_EQ(delayed(), 0u);
}

TEST_F(VisibilityTest, ListsFailWhileOutcomeIsUnknown) {
  SetUpStream();
  v1::PublishStreamRequest request = MakeRequest("t", {});
  v1::Event& event = *request.add_events() = MakeEvent("later");
  event.mutable_deliver_after()->set_seconds(60);
  Hold();
  auto publish =
      std::async(std::launch::async, [&] { return rig_.BrokerRig::Publish(request).status(); });
  AwaitHeld();
  auto snapshot =
      std::async(std::launch::async, [&] { return rig_.CreateSnapshot("s", "snapshot"); });
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  Release();
  EXPECT_THAT(publish.get(), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(snapshot.get(), StatusIs(StatusCode::kUnavailable));
  const auto unknown = Refused(StatusCode::kUnavailable, v1::ErrorDetail::REASON_STORE_FAILED);
  v1::ListDelayedEventsRequest delayed;
  delayed.set_topic("t");
  EXPECT_THAT(rig_.broker().delayed().List(kTester, delayed), unknown);
  EXPECT_THAT(rig_.subscriptions().snapshots().List(kTester, "s"), unknown);
  v1::ListDeadLettersRequest letters;
  letters.set_subscription("s");
  EXPECT_THAT(rig_.subscriptions().dead_letters().List(kTester, letters), unknown);
}

// A refusal may be due to a change whose outcome is unknown.
TEST_F(VisibilityTest, FailedCommitCausesNoOtherRefusals) {
  SetUpStream();
  const auto publish = [&](const std::string& id) {
    v1::PublishStreamRequest request = MakeRequest("t", {id});
    request.set_partition(0);
    request.set_expected_offset(0);
    request.set_durability(v1::DURABILITY_SYNCED);
    return std::async(std::launch::async,
                      [this, request] { return rig_.BrokerRig::Publish(request).status(); });
  };
  Hold();
  auto first = publish("a");
  AwaitHeld();
  auto second = publish("b");
  auto created = std::async(std::launch::async, [&] { return rig_.Create("new").status(); });
  auto created_again = std::async(std::launch::async, [&] { return rig_.Create("new").status(); });
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  Release();
  for (auto* outcome : {&first, &second, &created, &created_again}) {
    EXPECT_THAT(outcome->get(),
                Refused(StatusCode::kUnavailable, v1::ErrorDetail::REASON_STORE_FAILED));
  }
}

// Blocks the commit thread, so that tasks submitted meanwhile are in one commit.
class VisibilityInOneCommitTest : public VisibilityTest {
 protected:
  void TearDown() override { Go(); }

  void Stop() {
    v1::PublishStreamRequest request = MakeRequest("out", {"stop"});
    request.set_durability(v1::DURABILITY_WRITTEN);
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
    ASSERT_THAT(parsed, IsOk());
    rig_.broker().publishing().Publish(kTester, *parsed,
                                       [this](const absl::StatusOr<v1::PublishResult>&) {
                                         stopped_.set_value();
                                         go_.get_future().wait();
                                       });
    stopped_.get_future().wait();
  }
  void Go() {
    if (!std::exchange(gone_, true)) go_.set_value();
  }

 private:
  std::promise<void> stopped_;
  std::promise<void> go_;
  bool gone_ = false;
};

TEST_F(VisibilityInOneCommitTest, CreatesSnapshotOncePerName) {
  SetUpStream();
  Stop();
  std::vector<std::future<absl::Status>> outcomes;
  const auto take = [&](auto call) {
    auto outcome = std::make_shared<std::promise<absl::Status>>();
    outcomes.push_back(outcome->get_future());
    call([outcome](const auto& answer) { outcome->set_value(StatusOf(answer)); });
  };
  v1::CreateSnapshotRequest create;
  create.set_subscription("s");
  create.set_name("one");
  v1::DeleteSnapshotRequest remove;
  remove.set_subscription("s");
  remove.set_name("one");
  for (int i = 0; i < 2; ++i) {
    take([&](auto done) {
      rig_.subscriptions().snapshots().Create(kTester, create, std::move(done));
    });
  }
  for (int i = 0; i < 2; ++i) {
    take([&](auto done) {
      rig_.subscriptions().snapshots().Delete(kTester, remove, std::move(done));
    });
  }
  take([&](auto done) {
    rig_.subscriptions().snapshots().Create(kTester, create, std::move(done));
  });
  Go();
  EXPECT_THAT(outcomes[0].get(), IsOk());
  EXPECT_THAT(outcomes[1].get(), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(outcomes[2].get(), IsOk());
  EXPECT_THAT(outcomes[3].get(), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(outcomes[4].get(), IsOk());
  EXPECT_EQ(rig_.subscriptions().snapshots().List(kTester, "s")->snapshots_size(), 1);
}

// Each update applies to the result of the one before.
TEST_F(VisibilityInOneCommitTest, AppliesAllUpdates) {
  SetUpQueue();
  Stop();
  std::vector<std::future<absl::Status>> outcomes;
  for (const char* field : {"description", "paused"}) {
    v1::UpdateSubscriptionRequest request;
    *request.mutable_subscription() = Queue();
    request.mutable_subscription()->set_description("new");
    request.mutable_subscription()->set_paused(true);
    request.mutable_update_mask()->add_paths(field);
    auto outcome = std::make_shared<std::promise<absl::Status>>();
    outcomes.push_back(outcome->get_future());
    rig_.subscriptions().Update(
        kTester, request, [outcome](const auto& answer) { outcome->set_value(StatusOf(answer)); });
  }
  Go();
  for (auto& outcome : outcomes) EXPECT_THAT(outcome.get(), IsOk());
  EXPECT_EQ(rig_.Get("s").subscription().description(), "new");
  EXPECT_TRUE(rig_.Get("s").subscription().paused());
}

// The store no longer has the topic's events, but the deletion is not visible yet: this is not
// damage.
TEST_F(VisibilityTest, ReaderOfTopicBeingDeletedSeesNoDamage) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.Reopen();  // Nothing is in memory.
  v1::ReadRequest by_time = ReadOf("t");
  by_time.mutable_start()->mutable_timestamp()->set_seconds(1);
  const auto reader = rig_.broker().readers().Open(kTester, ReadOf("t"));
  ASSERT_THAT(reader, IsOk());
  Hold();
  auto deleted = std::async(std::launch::async, [&] { return rig_.Delete("t"); });
  AwaitHeld();
  const auto going = Refused(StatusCode::kUnavailable, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND);
  EXPECT_THAT(BrokerRig::Drain(**reader), going);
  EXPECT_THAT(rig_.Read(by_time), going);
  Release();
  EXPECT_THAT(deleted.get(), IsOk());
  EXPECT_THAT(rig_.Read("t"), StatusIs(StatusCode::kNotFound));
}

// Waits at the head of a topic, and checks it when woken.
class Probe final : public Watermark::Waiter {
 public:
  Probe(TopicReader& reader, std::function<void()> look) : reader_(reader), look_(std::move(look)) {
    EXPECT_THAT(BrokerRig::Drain(reader_), IsOk());
    EXPECT_TRUE(reader_.NotifyWhenMore(*this));
  }
  ~Probe() { reader_.CancelNotify(*this); }

  void Wake() override {
    look_();
    woken_ = true;
  }
  bool woken() const { return woken_; }

 private:
  TopicReader& reader_;
  const std::function<void()> look_;
  std::atomic<bool> woken_{false};
};

class ConsistentWakeUpTest : public VisibilityTest {
 protected:
  std::unique_ptr<TopicReader> Follow(const std::string& topic) {
    v1::ReadRequest request = ReadOf(topic);
    request.set_follow(true);
    return *rig_.broker().readers().Open(kTester, request);
  }
};

TEST_F(ConsistentWakeUpTest, SeesRemainingDelayedEvents) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  v1::PublishStreamRequest request = MakeRequest("t", {});
  *request.add_events() = MakeEvent("later");
  request.mutable_events(0)->mutable_deliver_after()->set_seconds(60);
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  const auto reader = Follow("t");
  const Probe probe(*reader, [&] {
    const v1::TopicStats stats = rig_.broker().topics().Get(kTester, "t")->stats();
    EXPECT_EQ(stats.events(), 1u);
    EXPECT_EQ(stats.delayed_events(), 0u);
  });
  rig_.clock.Advance(absl::Minutes(1));
  rig_.broker().delayed().RunDue();
  EXPECT_TRUE(probe.woken());
}

TEST_F(ConsistentWakeUpTest, SeesOpenDeadLetters) {
  SetUpQueue();
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const auto reader = Follow(rig_.Get("s").subscription().dead_letter_topic());
  const Probe probe(*reader, [&] {
    const v1::SubscriptionStats stats = rig_.Get("s").stats();
    EXPECT_EQ(stats.dead_lettered_events(), 1u);
    EXPECT_EQ(stats.open_dead_letters(), 1u);
  });
  EXPECT_THAT(consumer->Nack(consumer->Receive(1)[0], v1::Nack::ACTION_PARK).refused(), IsEmpty());
  EXPECT_TRUE(probe.woken());
}

TEST_F(ConsistentWakeUpTest, SeesLinkPosition) {
  ASSERT_THAT(rig_.Create("t"), IsOk());
  v1::CreateLinkRequest request;
  v1::Link& link = *request.mutable_link();
  link.set_name("link");
  link.set_remote_address("remote:7070");
  link.set_remote_topic("remote");
  link.set_local_topic("t");
  Links& links = rig_.broker().links();
  std::promise<absl::Status> created;
  links.Create(kTester, request, [&](const auto& answer) { created.set_value(answer.status()); });
  ASSERT_THAT(created.get_future().get(), IsOk());
  const auto reader = Follow("t");
  const Probe probe(*reader, [&] {
    const v1::LinkStatus status = links.Get(kTester, "link")->status();
    ASSERT_EQ(status.positions_size(), 1);
    EXPECT_EQ(status.positions(0).offset(), 1);
  });
  LinkStep step;
  step.link = links.catalog().Find("link");
  step.generation = step.link->generation();
  LinkMove& move = step.moves.emplace_back();
  move.to = 1;
  move.events = SharedBytes::Copy(EncodeEvent(MakeEvent("a")));
  std::promise<absl::Status> moved;
  links.Submit(kTester, std::move(step),
               [&](const absl::Status& outcome) { moved.set_value(outcome); });
  ASSERT_THAT(moved.get_future().get(), IsOk());
  EXPECT_TRUE(probe.woken());
}

// Consumers whose next events are on disk and are deleted by a commit that is not visible yet.
class DeletedEventsTest : public VisibilityTest {
 protected:
  void SetUp() override {
    rig_.tail_cache_bytes = 0;
    VisibilityTest::SetUp();
    SetUpQueue();
    ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
    consumer_ = rig_.Consume("s", "c");
  }
  void TearDown() override {
    VisibilityTest::TearDown();
    consumer_.reset();
  }

  // Waits until the deleting commit is written.
  void AwaitDeleted() {
    const std::shared_ptr<Topic> topic = rig_.subscriptions().catalog().Find("s")->topic();
    const PartitionLog& log = *topic->view()->partitions[0];
    ASSERT_TRUE(Eventually([&] { return topic->closing() || log.trimmed_to() > Offset(0); }));
    // The commit is decided; once there is another one, it is also written.
    const auto commits = [&] { return rig_.broker().GetStats(kTester).commits(); };
    const uint64_t before = commits();
    behind_ = std::async(std::launch::async, [&] { return rig_.Publish("out", {"x"}).status(); });
    ASSERT_TRUE(Eventually([&] { return commits() > before; }));
  }
  void StartTrim() {
    v1::Topic settings;
    settings.set_name("t");
    settings.mutable_retention()->mutable_max_age()->set_seconds(10);
    ASSERT_THAT(rig_.Update(settings, {"retention.max_age"}), IsOk());
    Hold();
    rig_.clock.Advance(absl::Seconds(20));
    AwaitDeleted();
  }

  // Lets the consumer do the work that it was woken for; returns how often it reads from disk.
  int Reads() {
    int reads = 0;
    for (ConsumeFrame frame; reads < 100; frame = ConsumeFrame()) {
      const auto step = consumer_->session().Poll(&frame);
      EXPECT_THAT(step, IsOk());
      if (!step.ok() || *step == ConsumerSession::Step::kWait) return reads;
      if (*step != ConsumerSession::Step::kCold) continue;
      ++reads;
      consumer_->session().ReadCold(&frame);
      EXPECT_THAT(frame.deliveries, IsEmpty());
    }
    return reads;
  }

  std::unique_ptr<TestConsumer> consumer_;
  std::future<absl::Status> behind_;
};

TEST_F(DeletedEventsTest, TrimmedEventsAreReportedOnceVisible) {
  StartTrim();
  EXPECT_EQ(Reads(), 1);
  EXPECT_EQ(Reads(), 0);
  EXPECT_EQ(rig_.Get("s").stats().lost_events(), 0u) << "nobody is to know of it yet";
  Release();
  ASSERT_TRUE(Eventually([&] {
    EXPECT_THAT(consumer_->Poll(), IsOk());
    return consumer_->said.trimmed_size() > 0;
  }));
  EXPECT_EQ(consumer_->said.trimmed(0).range().end(), 2);
  EXPECT_EQ(rig_.Get("s").stats().lost_events(), 2u);
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  EXPECT_THAT(IdsOf(consumer_->Receive(1)), ElementsAre("c"));
}

TEST_F(DeletedEventsTest, FailedTrimCausesNoRepeatedReads) {
  StartTrim();
  EXPECT_EQ(Reads(), 1);
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  Release();
  ASSERT_TRUE(Eventually([&] { return !rig_.broker().writable().ok(); }));
  EXPECT_LE(Reads(), 1);
  EXPECT_EQ(Reads(), 0);
  rig_.disk.FailSyncs(FaultEnv::Fault::kNone);
}

TEST_F(DeletedEventsTest, DeletedTopicEndsConsumersOnceVisible) {
  v1::DeleteTopicRequest request;
  request.set_name("t");
  request.set_delete_subscriptions(true);
  Hold();
  auto deleted = std::async(std::launch::async, [&] { return rig_.Delete(request); });
  AwaitDeleted();
  EXPECT_EQ(Reads(), 1);
  EXPECT_EQ(Reads(), 0);
  EXPECT_THAT(rig_.Get("s").findings(),
              testing::Not(testing::Contains(testing::HasSubstr("cannot be read"))));
  Release();
  EXPECT_THAT(deleted.get(), IsOk());
  EXPECT_THAT(consumer_->PollAnyway(), StatusIs(StatusCode::kNotFound));
}

}  // namespace
}  // namespace eventhub
