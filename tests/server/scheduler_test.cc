// Who gets the events of a QUEUE and of a STREAM, and who is woken for them: the schedulers alone,
// without a subscription.
#include "server/core/subscription/dispatch/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/core/subscription/dispatch/queue_scheduler.h"
#include "server/core/subscription/dispatch/stream_scheduler.h"
#include "server/core/subscription/dispatch/turn_order.h"
#include "tests/server/dispatch_rig.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();

DeliveryRules Rules(bool queue, int64_t ack_deadline) {
  DeliveryRules rules;
  rules.queue = queue;
  rules.ack_deadline = ack_deadline;
  return rules;
}

TEST(SchedulerTest, TheRulesNameTheKind) {
  DispatchRig queue(Rules(true, kSecond), 1);
  EXPECT_NE(dynamic_cast<QueueScheduler*>(Scheduler::Create(queue.shared).get()), nullptr);
  DispatchRig stream(Rules(false, 0), 1);
  EXPECT_NE(dynamic_cast<StreamScheduler*>(Scheduler::Create(stream.shared).get()), nullptr);
}

class QueueSchedulerTest : public testing::Test {
 protected:
  DispatchRig rig_{Rules(/*queue=*/true, 30 * kSecond), 2};
  QueueScheduler scheduler_{rig_.shared};
};

TEST_F(QueueSchedulerTest, WakesOneConsumerWhichPassesOn) {
  rig_.Connect("a");
  rig_.Connect("b");
  scheduler_.WakeForEvents(&rig_.after);
  EXPECT_THAT(rig_.Woken(), ElementsAre("a"));
  scheduler_.PassOn(&rig_.after);
  EXPECT_THAT(rig_.Woken(), ElementsAre("b"));
}

TEST_F(QueueSchedulerTest, ServesEveryConsumerFromEveryPartition) {
  Consumer& a = rig_.Connect("a");
  scheduler_.Rebalance(&rig_.after);
  for (const auto& cursor : rig_.cursors) {
    EXPECT_TRUE(scheduler_.Serves(*cursor, a));
    EXPECT_TRUE(scheduler_.MayDeliver(*cursor, a));
  }
  EXPECT_THAT(a.news, IsEmpty()) << "nothing is assigned";
}

TEST_F(QueueSchedulerTest, AStalledConsumerGivesWayUntilItResponds) {
  Consumer& a = rig_.Connect("a");
  Consumer& b = rig_.Connect("b");
  EXPECT_EQ(scheduler_.AllowanceOf(a), kNoDeadline);
  rig_.consumers.MarkOverdue(a.id);
  EXPECT_EQ(scheduler_.AllowanceOf(a), 1);
  EXPECT_TRUE(scheduler_.GivesWay(a));
  EXPECT_FALSE(scheduler_.GivesWay(b));
  b.out = b.credit;
  EXPECT_FALSE(scheduler_.GivesWay(a)) << "b can take nothing";
  scheduler_.MarkResponsive(a, &rig_.after);
  EXPECT_EQ(scheduler_.AllowanceOf(a), kNoDeadline);
  EXPECT_THAT(rig_.Woken(), ElementsAre("a"));
  scheduler_.MarkResponsive(a, &rig_.after);
  EXPECT_THAT(rig_.Woken(), IsEmpty()) << "nothing has changed";
}

TEST_F(QueueSchedulerTest, EachDeliveryHasALeaseOfItsOwn) {
  PartitionCursor& cursor = *rig_.cursors[0];
  EXPECT_EQ(scheduler_.StartLease(cursor, 5), 5 + 30 * kSecond);
  EXPECT_FALSE(scheduler_.ExtendLease(cursor, 100 * kSecond));
  Consumer& a = rig_.Connect("a");
  rig_.Append(0, 1);
  rig_.Lease(0, a, 1, 7 * kSecond);
  scheduler_.NoteDelivered(cursor, rig_.Now(), &rig_.after);
  EXPECT_EQ(rig_.after.alarm, 7 * kSecond);
  EXPECT_TRUE(rig_.after.flush);
}

TEST_F(QueueSchedulerTest, DisconnectingFailsTheEventsOfThatConsumerOnly) {
  Consumer& a = rig_.Connect("a");
  Consumer& b = rig_.Connect("b");
  const ConsumerId gone = a.id;
  rig_.Append(0, 4);
  rig_.Lease(0, a, 2, kNoDeadline);
  rig_.Lease(0, b, 2, kNoDeadline);
  scheduler_.Disconnect(a, "it went away", &rig_.after);
  EXPECT_EQ(rig_.consumers.Find(gone), nullptr);
  EXPECT_EQ(b.out.events, 2);
  EXPECT_EQ(rig_.cursors[0]->pending().counts().leased, 2);
  const Candidate next = rig_.cursors[0]->Next(rig_.rules, Flow::kLive).value();
  EXPECT_EQ(next.start, Offset(0));
  EXPECT_EQ(next.attempts, 1u);
  EXPECT_THAT(rig_.Woken(), ElementsAre("b"));
}

TEST_F(QueueSchedulerTest, AHubThatStopsFailsNoAttempt) {
  Consumer& a = rig_.Connect("a");
  rig_.Append(0, 1);
  rig_.Lease(0, a, 1, kNoDeadline);
  scheduler_.Disconnect(a, "", &rig_.after);
  EXPECT_EQ(rig_.cursors[0]->Next(rig_.rules, Flow::kLive).value().attempts, 0u);
}

TEST_F(QueueSchedulerTest, AMoveIsToldToAll) {
  Consumer& a = rig_.Connect("a");
  Consumer& b = rig_.Connect("b");
  PartitionCursor& cursor = *rig_.cursors[1];
  const uint64_t epoch = cursor.epoch();
  scheduler_.EndLeases(cursor, &rig_.after);
  for (Consumer* const consumer : {&a, &b}) {
    ASSERT_TRUE(consumer->news[PartitionId(1)].revoked.has_value());
    EXPECT_EQ(consumer->news[PartitionId(1)].revoked->lease_epoch(), epoch);
  }
  EXPECT_FALSE(cursor.Holds(epoch));
  EXPECT_THAT(rig_.Woken(), UnorderedElementsAre("a", "b"));
}

class IsolationTimeTest : public QueueSchedulerTest {
 protected:
  IsolationTimeTest() {
    rig_.rules.max_attempts = 2;
    Consumer& crashed = rig_.Connect("crashed");
    rig_.Append(0, 1);
    rig_.Lease(0, crashed, 1, kNoDeadline);
    scheduler_.Disconnect(crashed, "it went away", &rig_.after);
    rig_.Woken();
  }
  std::optional<Candidate> Next(Flow flow) { return rig_.cursors[0]->Next(rig_.rules, flow); }
  void EndDue() {
    size_t left = PartitionCursor::kMaxSwept;
    scheduler_.EndDue(rig_.Now(), &left, &rig_.after);
  }
};

TEST_F(IsolationTimeTest, LastsAtMostTheAckDeadline) {
  EXPECT_TRUE(scheduler_.isolation().active());
  EXPECT_EQ(rig_.after.alarm, rig_.Now() + 30 * kSecond);
  EXPECT_TRUE(Next(Flow::kIsolated).has_value());
  EXPECT_FALSE(Next(Flow::kLive).has_value());
  rig_.Connect("b");
  rig_.clock.Advance(absl::Seconds(29));
  EndDue();
  EXPECT_TRUE(scheduler_.isolation().active());
  EXPECT_THAT(rig_.Woken(), IsEmpty());
  rig_.clock.Advance(absl::Seconds(1));
  EndDue();
  EXPECT_FALSE(scheduler_.isolation().active());
  EXPECT_THAT(rig_.Woken(), ElementsAre("b"));
  EXPECT_TRUE(Next(Flow::kLive).has_value()) << "it is delivered together with others";
}

TEST_F(IsolationTimeTest, EndsWithTheLastSuchEvent) {
  Consumer& b = rig_.Connect("b");
  const Candidate next = Next(Flow::kIsolated).value();
  rig_.cursors[0]->Lease(next, next.start, 1, DispatchRig::kEventBytes, b.id, kNoDeadline);
  b.out = {1, DispatchRig::kEventBytes};
  scheduler_.isolation().Note(*rig_.cursors[0], &rig_.after);
  EXPECT_FALSE(scheduler_.isolation().active());
  EXPECT_THAT(rig_.Woken(), ElementsAre("b"));
}

class StreamSchedulerTest : public testing::Test {
 protected:
  // The partitions that the consumer owns.
  std::vector<size_t> Owned(const Consumer& consumer) {
    std::vector<size_t> owned;
    for (const auto& cursor : rig_.cursors) {
      if (scheduler_.Serves(*cursor, consumer)) owned.push_back(cursor->id().value());
    }
    return owned;
  }
  PartitionNews& News(Consumer& consumer, uint32_t partition) {
    return consumer.news[PartitionId(partition)];
  }
  // Connects a consumer and distributes the partitions.
  Consumer& Join(const std::string& name) {
    Consumer& consumer = rig_.Connect(name);
    scheduler_.Rebalance(&rig_.after);
    return consumer;
  }
  void EndDue() {
    size_t left = PartitionCursor::kMaxSwept;
    scheduler_.EndDue(rig_.Now(), &left, &rig_.after);
  }
  uint32_t AttemptsOf(size_t partition) {
    return rig_.cursors[partition]->Next(rig_.rules, Flow::kLive).value().attempts;
  }

  DispatchRig rig_{Rules(/*queue=*/false, 10 * kSecond), 2};
  StreamScheduler scheduler_{rig_.shared};
};

TEST_F(StreamSchedulerTest, EachPartitionHasOneOwner) {
  Consumer& a = Join("a");
  EXPECT_THAT(Owned(a), ElementsAre(0, 1));
  const uint64_t before = rig_.cursors[1]->epoch();
  EXPECT_EQ(News(a, 1).assigned->lease_epoch(), before);
  Consumer& b = Join("b");
  EXPECT_THAT(Owned(a), ElementsAre(0));
  EXPECT_THAT(Owned(b), ElementsAre(1));
  EXPECT_EQ(News(a, 1).revoked->lease_epoch(), before);
  EXPECT_FALSE(News(a, 1).assigned.has_value()) << "a later notice replaces an earlier one";
  EXPECT_EQ(News(b, 1).assigned->lease_epoch(), rig_.cursors[1]->epoch());
  EXPECT_FALSE(rig_.cursors[1]->Holds(before));
  EXPECT_FALSE(scheduler_.GivesWay(a));
}

TEST_F(StreamSchedulerTest, APartitionDrainsBeforeItMoves) {
  Consumer& a = Join("a");
  rig_.Append(1, 2);
  rig_.Lease(1, a, 2, kNoDeadline);
  rig_.Append(0, 1);
  rig_.Lease(0, a, 1, kNoDeadline);
  Consumer& b = Join("b");
  PartitionCursor& cursor = *rig_.cursors[1];
  EXPECT_THAT(Owned(b), IsEmpty());
  EXPECT_TRUE(scheduler_.Serves(cursor, a)) << "it may still settle";
  EXPECT_FALSE(scheduler_.MayDeliver(cursor, a));
  EXPECT_EQ(News(a, 1).draining->time_left().seconds(), 10);

  Effects first = rig_.Ack(1, a, 1, /*commit=*/7);
  scheduler_.NoteAcked(cursor, rig_.Now(), &first);
  rig_.after.commit = 7;
  scheduler_.Conclude(cursor, first, &rig_.after);
  EXPECT_THAT(Owned(b), IsEmpty());
  Effects last = rig_.Ack(1, a, 2, /*commit=*/7);
  scheduler_.Conclude(cursor, last, &rig_.after);
  EXPECT_THAT(Owned(b), ElementsAre(1));

  // The new owner learns where it starts when the commit is visible.
  EXPECT_FALSE(News(b, 1).assigned.has_value());
  const auto entry = rig_.cursors.TakeVisible(7);
  ASSERT_TRUE(entry.has_value());
  rig_.cursors.Complete(*entry, [&](PartitionCursor& of, Effects& effects) {
    scheduler_.Conclude(of, effects, &rig_.after);
  });
  EXPECT_TRUE(rig_.cursors.EndHolds(
      7, [&](PartitionCursor& of) { scheduler_.NoteHoldEnded(of, &rig_.after); }));
  EXPECT_EQ(News(b, 1).assigned->next_offset(), 2);
}

TEST_F(StreamSchedulerTest, ANewOwnerLearnsHowFarWasDelivered) {
  Consumer& a = Join("a");
  rig_.Append(1, 3);
  rig_.Lease(1, a, 2, kNoDeadline);
  scheduler_.Disconnect(a, "", &rig_.after);
  Consumer& b = Join("b");
  EXPECT_EQ(News(b, 1).assigned->next_offset(), 0);
  EXPECT_EQ(News(b, 1).assigned->first_new_offset(), 2);
}

TEST_F(StreamSchedulerTest, APartitionStaysIfItsNextOwnerLeaves) {
  Consumer& a = Join("a");
  for (const size_t p : {0u, 1u}) {
    rig_.Append(p, 1);
    rig_.Lease(p, a, 1, kNoDeadline);
  }
  Consumer& b = Join("b");
  EXPECT_FALSE(scheduler_.MayDeliver(*rig_.cursors[1], a));
  scheduler_.Disconnect(b, "", &rig_.after);
  EXPECT_TRUE(scheduler_.MayDeliver(*rig_.cursors[1], a));
  EXPECT_TRUE(News(a, 1).assigned.has_value());
  EXPECT_FALSE(News(a, 1).draining.has_value());
}

TEST_F(StreamSchedulerTest, TheEndOfTheTimeToDrainIsNoFailedAttempt) {
  Consumer& a = Join("a");
  rig_.rules.ack_deadline = 0;
  for (const size_t p : {0u, 1u}) {
    rig_.Append(p, 1);
    rig_.Lease(p, a, 1, kNoDeadline);
  }
  Consumer& b = Join("b");
  rig_.clock.Advance(absl::Seconds(29));
  EndDue();
  EXPECT_THAT(Owned(b), IsEmpty());
  rig_.clock.Advance(absl::Seconds(1));
  EndDue();
  EXPECT_THAT(Owned(b), ElementsAre(1));
  EXPECT_EQ(AttemptsOf(1), 0u);
  EXPECT_FALSE(scheduler_.MayDeliver(*rig_.cursors[0], a)) << "a is stalled: it loses all";
  EXPECT_EQ(rig_.counters.expired, 1u);
}

TEST_F(StreamSchedulerTest, ALeaseThatEndsIsAFailedAttempt) {
  Consumer& a = Join("a");
  Consumer& b = Join("b");
  rig_.Append(0, 1);
  EXPECT_EQ(scheduler_.StartLease(*rig_.cursors[0], rig_.Now()), kNoDeadline);
  rig_.Lease(0, a, 1, kNoDeadline);
  scheduler_.NoteDelivered(*rig_.cursors[0], rig_.Now(), &rig_.after);
  EXPECT_EQ(rig_.after.alarm, rig_.Now() + 10 * kSecond);
  rig_.clock.Advance(absl::Seconds(10));
  EndDue();
  EXPECT_TRUE(a.stalled);
  EXPECT_EQ(a.out.events, 0);
  EXPECT_THAT(Owned(b), ElementsAre(0, 1));
  EXPECT_EQ(AttemptsOf(0), 1u);
  scheduler_.MarkResponsive(a, &rig_.after);
  EXPECT_THAT(Owned(a), SizeIs(1));
  EXPECT_THAT(Owned(b), SizeIs(1));
}

TEST_F(StreamSchedulerTest, AcksAndExtensionsPostponeTheEndOfTheLease) {
  Consumer& a = Join("a");
  PartitionCursor& cursor = *rig_.cursors[0];
  rig_.Append(0, 2);
  scheduler_.StartLease(cursor, rig_.Now());
  rig_.Lease(0, a, 2, kNoDeadline);
  rig_.clock.Advance(absl::Seconds(9));
  Effects effects;
  scheduler_.NoteAcked(cursor, rig_.Now(), &effects);
  rig_.clock.Advance(absl::Seconds(9));
  EndDue();
  EXPECT_FALSE(a.stalled);
  EXPECT_TRUE(scheduler_.ExtendLease(cursor, rig_.Now() + 60 * kSecond));
  rig_.clock.Advance(absl::Seconds(59));
  EndDue();
  EXPECT_FALSE(a.stalled);
  rig_.clock.Advance(absl::Seconds(1));
  EndDue();
  EXPECT_TRUE(a.stalled);
}

TEST_F(StreamSchedulerTest, ANewAckDeadlineBeginsWhenItIsSet) {
  Consumer& a = Join("a");
  rig_.Append(0, 1);
  scheduler_.StartLease(*rig_.cursors[0], rig_.Now());
  rig_.Lease(0, a, 1, kNoDeadline);
  rig_.clock.Advance(absl::Seconds(9));
  rig_.rules.ack_deadline = 5 * kSecond;
  scheduler_.ChangeAckDeadline(rig_.Now(), &rig_.after);
  EXPECT_EQ(a.notices.ack_deadline().seconds(), 5);
  EXPECT_EQ(rig_.after.alarm, 14 * kSecond);
  rig_.clock.Advance(absl::Seconds(4));
  EndDue();
  EXPECT_FALSE(a.stalled);
  rig_.clock.Advance(absl::Seconds(1));
  EndDue();
  EXPECT_TRUE(a.stalled);
}

TEST_F(StreamSchedulerTest, AMovedPartitionKeepsItsOwnerUnderANewEpoch) {
  Consumer& a = Join("a");
  a.news.clear();
  PartitionCursor& cursor = *rig_.cursors[0];
  const uint64_t before = cursor.epoch();
  rig_.cursors.Hold(cursor, /*commit=*/3);
  scheduler_.EndLeases(cursor, &rig_.after);
  EXPECT_THAT(Owned(a), ElementsAre(0, 1));
  EXPECT_EQ(News(a, 0).revoked->lease_epoch(), before);
  EXPECT_FALSE(News(a, 0).assigned.has_value()) << "not before the move is visible";
  rig_.cursors.EndHolds(3, [&](PartitionCursor& of) { scheduler_.NoteHoldEnded(of, &rig_.after); });
  EXPECT_EQ(News(a, 0).assigned->lease_epoch(), cursor.epoch());
  EXPECT_GT(cursor.epoch(), before);
}

TEST_F(StreamSchedulerTest, NewPartitionsAreDistributed) {
  Consumer& a = Join("a");
  rig_.AddPartition();
  rig_.cursors.Grow(rig_.topic());
  scheduler_.Rebalance(&rig_.after);
  EXPECT_THAT(Owned(a), ElementsAre(0, 1, 2));
}

std::vector<size_t> Listed(const TurnOrder& order) { return {order.begin(), order.end()}; }

TEST(TurnOrderTest, TheOneServedLastIsLast) {
  TurnOrder order(/*first=*/4);
  order.Grow(3);
  EXPECT_THAT(Listed(order), ElementsAre(1, 2, 0));
  order.EndTurn(1);
  EXPECT_THAT(Listed(order), ElementsAre(2, 0, 1));
  order.EndTurn(0);
  EXPECT_THAT(Listed(order), ElementsAre(2, 1, 0));
  order.Grow(4);
  EXPECT_THAT(Listed(order), ElementsAre(2, 1, 0, 3)) << "a new partition joins the end";
  order.Grow(4);
  EXPECT_THAT(Listed(order), ElementsAre(2, 1, 0, 3));
}

}  // namespace
}  // namespace eventhub
