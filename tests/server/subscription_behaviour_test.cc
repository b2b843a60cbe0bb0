// Subscriptions, one behaviour each.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/status_macros.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using SubscriptionBehaviourTest = SubscriptionTest;

TEST_F(SubscriptionBehaviourTest, AckDeadlineMovesStreamReadFromDisk) {
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

TEST_F(SubscriptionBehaviourTest, NewAckDeadlineOfStreamStartsWhenSet) {
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

TEST_F(SubscriptionBehaviourTest, NotifiesConsumersOfNewAckDeadline) {
  SetUpQueue();
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_FALSE(consumer->said.has_ack_deadline());
  v1::Subscription subscription = Queue();
  *subscription.mutable_ack_deadline() = ToProto(absl::Milliseconds(1500));
  ASSERT_THAT(rig_.UpdateSubscription(subscription, {"ack_deadline"}), IsOk());
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(consumer->said.ack_deadline().ShortDebugString(), "seconds: 1 nanos: 500000000");
  consumer->said.Clear();
  ASSERT_THAT(rig_.UpdateSubscription(subscription, {"description"}), IsOk());
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_FALSE(consumer->said.has_ack_deadline());
}

TEST_F(SubscriptionBehaviourTest, SeekCoversUnconsumedPartitions) {
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

TEST_F(SubscriptionBehaviourTest, EpochsIncreaseAcrossRestarts) {
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

TEST_F(SubscriptionBehaviourTest, EpochsIncreaseAcrossPowerLosses) {
  SetUpQueue();
  uint64_t last = 0;
  for (int life = 0; life < 3; ++life) {
    ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
    auto consumer = rig_.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive();
    ASSERT_FALSE(events.empty());
    EXPECT_GT(events[0].epoch, last);
    last = events[0].epoch;
    rig_.disk.Cut();
    consumer.reset();
    rig_.Close();
    rig_.disk.Forget();
    ASSERT_THAT(rig_.Open(), IsOk());
  }
}

TEST_F(SubscriptionBehaviourTest, FailedStoreRejectsAcksAndLosesNothing) {
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

TEST_F(SubscriptionBehaviourTest, PendingTrimIsNotReportedAsDamage) {
  SetUpQueue();
  v1::Topic topic;
  topic.set_name("t");
  topic.mutable_retention()->mutable_max_age()->set_seconds(60);
  ASSERT_THAT(rig_.Update(topic, {"retention.max_age"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  rig_.Reopen();  // Only on disk.
  const auto consumer = rig_.Consume("s", "c");
  const auto reader = rig_.broker().readers().Open(kTester, ReadOf("t"));
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

TEST_F(SubscriptionBehaviourTest, KillWhileInUseDoesNotExpireSubscription) {
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

// No call can cause this; a data directory that was assembled by hand can.
TEST_F(SubscriptionBehaviourTest, RetriesEventWithoutDeadLetterTopic) {
  v1::Subscription subscription = Queue();
  *subscription.mutable_retry_policy()->mutable_min_backoff() = ToProto(absl::Seconds(1));
  *subscription.mutable_retry_policy()->mutable_max_backoff() = ToProto(absl::Seconds(1));
  subscription.set_max_delivery_attempts(1);
  Create(subscription);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.Close();
  {
    LogStoreOptions options;
    options.directory = rig_.disk.directory() + "/hub";
    options.env = rig_.disk.env();
    const auto store = LogStore::Open(options);
    ASSERT_THAT(store, IsOk());
    CommitBuilder commit(**store, absl::UnixEpoch(), 0);
    commit.Delete(Column::kMeta, TopicKey(TopicId(2)));
    ASSERT_THAT(commit.Write(**store), IsOk());
  }
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(
      rig_.Get("s").findings(),
      Contains(
          "its dead-letter topic s.dead-letters does not exist: events due there are retried"));
  const std::string why = " (not a dead letter: its dead-letter topic does not exist)";
  auto consumer = rig_.Consume("s", "c");
  // An event's state changes visibly before its alarm is set, so the alarm may be set only now.
  const auto receive = [&] {
    std::vector<Received> events;
    EXPECT_TRUE(Eventually([&] {
      rig_.Pass(absl::Milliseconds(5));
      events = consumer->Receive();
      return !events.empty();
    }));
    return events;
  };
  for (uint32_t attempt = 1; attempt <= 4; ++attempt) {
    const std::vector<Received> events = receive();
    ASSERT_THAT(events, SizeIs(1));
    EXPECT_EQ(events[0].attempt, attempt);
    // The first reason stays until another is given.
    EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY,
                                              attempt == 1 ? "no bank" : "")),
                IsEmpty());
    rig_.AwaitParking("s");
    EXPECT_EQ(rig_.Get("s").partitions(0).head_reason(), "no bank" + why);
    if (attempt == 3) {
      consumer.reset();
      rig_.Reopen();
      rig_.AwaitParking("s");
      EXPECT_EQ(rig_.Get("s").partitions(0).head_reason(), "no bank" + why);
      consumer = rig_.Consume("s", "c");
    }
    rig_.Pass(absl::Seconds(1));
  }
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 1u);
  ASSERT_THAT(rig_.Create("s.dead-letters", 1), IsOk());
  const std::vector<Received> events = receive();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_THAT(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_RETRY)), IsEmpty());
  rig_.AwaitParking("s");
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].reason(), "no bank");
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
}

TEST_F(SubscriptionBehaviourTest, StalledConsumerDoesNotUseUpAttempts) {
  v1::Subscription queue = Queue();
  *queue.mutable_ack_deadline() = ToProto(absl::Seconds(2));
  queue.set_max_delivery_attempts(3);
  Create(queue);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c", "d"}), IsOk());
  const auto stuck = rig_.Consume("s", "stuck");
  EXPECT_THAT(stuck->Receive(), SizeIs(4));
  auto well = rig_.Consume("s", "well");
  rig_.Pass(absl::Seconds(2));
  EXPECT_THAT(stuck->Receive(), IsEmpty());
  EXPECT_THAT(rig_.Get("s").findings(),
              Contains("consumer stuck let a lease expire and has not responded since: it gets no "
                       "events while others have credit"));
  const std::vector<Received> others = well->Receive();
  ASSERT_THAT(others, SizeIs(4));
  EXPECT_EQ(others[0].attempt, 2u);
  EXPECT_EQ(well->Ack(others[0].partition, others[0].epoch, 0, 4).refused_size(), 0);
  well.reset();

  // It is the only consumer, so it gets one event at a time until it responds.
  ASSERT_THAT(rig_.Publish("t", {"e", "f", "g"}), IsOk());
  const std::vector<Received> one = stuck->Receive();
  ASSERT_THAT(one, SizeIs(1));
  EXPECT_THAT(stuck->Receive(), IsEmpty());
  rig_.Pass(absl::Seconds(2));
  const std::vector<Received> again = stuck->Receive();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].attempt, 2u);
  EXPECT_EQ(stuck->Ack(again[0].partition, again[0].epoch, 4, 5).refused_size(), 0);
  EXPECT_THAT(stuck->Receive(2), SizeIs(2));
}

TEST_F(SubscriptionBehaviourTest, StalledConsumerIsProbedAfterEventIsDeadLettered) {
  v1::Subscription queue = Queue();
  *queue.mutable_ack_deadline() = ToProto(absl::Seconds(2));
  queue.set_max_delivery_attempts(1);
  Create(queue);
  const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  EXPECT_THAT(consumer->Receive(), SizeIs(1));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  rig_.Pass(absl::Seconds(2));
  rig_.AwaitParking("s");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  EXPECT_THAT(consumer->Receive(1), SizeIs(1));
}

TEST_F(SubscriptionBehaviourTest, SeekReprobesStalledConsumer) {
  const auto consumer = StalledConsumer();
  EXPECT_THAT(consumer->Receive(1), SizeIs(1));
  SeekToEarliest();
  EXPECT_THAT(consumer->Receive(1), SizeIs(1));
}

TEST_F(SubscriptionBehaviourTest, ResponsiveStreamConsumerRegainsItsShare) {
  SetUpStream(2);
  for (uint32_t p : {0, 1}) ASSERT_THAT(rig_.Publish("t", {"a"}, p), IsOk());
  const auto slow = rig_.Consume("s", "slow");
  const std::vector<Received> events = slow->Receive(2);
  const auto other = rig_.Consume("s", "other");
  EXPECT_THAT(slow->Receive(), IsEmpty());
  ASSERT_EQ(slow->said.draining_size(), 1);
  const uint32_t moving = slow->said.draining(0).partition();
  EXPECT_TRUE(slow->AckAll({events[events[0].partition == moving ? 1 : 0]}));
  rig_.Pass(absl::Seconds(30));
  EXPECT_THAT(slow->Receive(), IsEmpty());
  EXPECT_THAT(slow->said.revoked(), SizeIs(2));  // It is considered stalled.
  slow->said.Clear();
  slow->Ack(events[events[0].partition == moving ? 0 : 1]);
  slow->Receive();
  EXPECT_THAT(slow->said.assigned(), SizeIs(1));
}

TEST_F(SubscriptionBehaviourTest, AssignsNewPartitionsWhenDrainingConsumerLeaves) {
  SetUpStream(2);
  for (uint32_t p : {0, 1}) ASSERT_THAT(rig_.Publish("t", {"a"}, p), IsOk());
  auto first = rig_.Consume("s", "first");
  EXPECT_THAT(first->Receive(2), SizeIs(2));
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(first->Receive(), IsEmpty());
  EXPECT_EQ(first->said.draining_size(), 1);
  v1::Topic topic;
  topic.set_name("t");
  topic.set_partitions(64);
  ASSERT_THAT(rig_.Update(topic, {"partitions"}), IsOk());
  first.reset();
  EXPECT_THAT(second->Receive(2), SizeIs(2));
  EXPECT_THAT(second->said.assigned(), SizeIs(64));
}

TEST_F(SubscriptionBehaviourTest, RejectsExtensionOfLostLease) {
  for (const v1::Subscription& subscription : {Stream(), Queue()}) {
    Create(subscription);
    ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
    const auto consumer = rig_.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(1);
    v1::SeekSubscriptionRequest seek;
    seek.set_name("s");
    seek.mutable_start()->set_latest(true);
    ASSERT_THAT(rig_.Seek(seek), IsOk());
    v1::ConsumeRequest request;
    v1::LeaseExtension& all = *request.add_extensions();
    all.set_lease_epoch(events[0].epoch);
    const v1::Settlement settlement = consumer->Settle(request);
    ASSERT_THAT(settlement.refused(), SizeIs(1));
    EXPECT_EQ(settlement.refused(0).error().code(), static_cast<int>(StatusCode::kAborted));
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

TEST_F(SubscriptionBehaviourTest, CancelledMoveKeepsLease) {
  SetUpStream(2);
  ASSERT_THAT(rig_.Publish("t", {"a"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"b"}, 1), IsOk());
  const auto first = rig_.Consume("s", "first");
  const std::vector<Received> events = first->Receive(2);
  const auto second = rig_.Consume("s", "second");
  EXPECT_THAT(first->Receive(), IsEmpty());
  ASSERT_EQ(first->said.draining_size(), 1);
  first->said.Clear();
  second->session().Close(Subscription::Ended::kByConsumer);
  EXPECT_THAT(first->Receive(), IsEmpty());
  ASSERT_EQ(first->said.assigned_size(), 1);
  const v1::PartitionLease& kept = first->said.assigned(0);
  EXPECT_EQ(kept.lease_epoch(), events[kept.partition()].epoch);
  EXPECT_TRUE(first->AckAll(events));
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
}

TEST_F(SubscriptionBehaviourTest, NoticesOfIdleConsumerStayBounded) {
  SetUpStream(4);
  const auto first = rig_.Consume("s", "first");
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_start()->set_earliest(true);
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(rig_.Seek(seek), IsOk());
    rig_.Consume("s", "second")->session().Close(Subscription::Ended::kByConsumer);
  }
  ASSERT_THAT(rig_.Publish("t", {"a"}, 3), IsOk());
  const std::vector<Received> events = first->Receive(1);
  EXPECT_EQ(first->said.revoked_size(), 4);
  ASSERT_EQ(first->said.assigned_size(), 4);
  EXPECT_EQ(first->said.draining_size(), 0);
  for (int p = 0; p < 4; ++p) {
    EXPECT_LT(first->said.revoked(p).lease_epoch(), first->said.assigned(p).lease_epoch());
  }
  EXPECT_EQ(first->said.assigned(3).lease_epoch(), events[0].epoch);
  EXPECT_TRUE(first->AckAll(events));
}

class BatchedWorkTest : public SubscriptionBehaviourTest {
 protected:
  // Every other event stays in flight; the others are acked.
  void MakeHoles(int64_t count, const v1::Subscription& subscription = Queue()) {
    Create(subscription);
    std::vector<std::string> ids;
    for (int64_t i = 0; i < 1000; ++i) ids.push_back(absl::StrCat(i));
    for (int64_t i = 0; i < 2 * count; i += 1000) ASSERT_THAT(rig_.Publish("t", ids), IsOk());
    consumer_ = rig_.Consume("s", "c", static_cast<uint32_t>(2 * count));
    const std::vector<Received> events = consumer_->Receive(static_cast<size_t>(2 * count));
    epoch_ = events[0].epoch;
    for (int64_t from = 0; from < count; from += kAtOnce) {
      v1::ConsumeRequest request;
      v1::Ack& ack = *request.add_acks();
      ack.set_lease_epoch(epoch_);
      ack.set_exact(true);
      for (int64_t i = from; i < std::min(count, from + kAtOnce); ++i) {
        v1::OffsetRange& range = *ack.add_ranges();
        range.set_start(2 * i);
        range.set_end(2 * i + 1);
      }
      ASSERT_THAT(consumer_->Settle(std::move(request)).refused(), IsEmpty());
    }
  }

  static constexpr int64_t kAtOnce = 9000;
  std::unique_ptr<TestConsumer> consumer_;
  uint64_t epoch_ = 0;
};

TEST_F(BatchedWorkTest, BoundsWorkAndRefusalsOfOneRequest) {
  constexpr int64_t kHoles = 20'000;
  MakeHoles(kHoles);
  v1::ConsumeRequest request;
  for (int i = 0; i < 4000; ++i) {
    v1::LeaseExtension& extension = *request.add_extensions();
    extension.set_lease_epoch(epoch_);
    v1::OffsetRange& all = *extension.add_ranges();
    all.set_end(INT64_MAX);
  }
  const v1::Settlement settlement = consumer_->Settle(request);
  EXPECT_LE(settlement.refused_size(), 1001);
  EXPECT_EQ(settlement.refused(0).error().code(), static_cast<int>(StatusCode::kAborted));
  const v1::RefusedRange& last = *settlement.refused().rbegin();
  EXPECT_EQ(last.error().code(), static_cast<int>(StatusCode::kInvalidArgument));
  EXPECT_EQ(last.range().end(), INT64_MAX);
  // A request that names each event once is done.
  const v1::Settlement acked = consumer_->Ack(0, epoch_, 0, 2 * kHoles);
  EXPECT_EQ(acked.refused_size(), 1000);
  EXPECT_EQ(acked.refused(0).range().end(), 1);
  EXPECT_EQ(acked.refused(999).range().end(), 2 * kHoles - 1);
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
}

// A request delays other commits by at most one piece; later requests wait for all of it.
TEST_F(BatchedWorkTest, LargeRequestIsSettledInBatchesAndInOrder) {
  constexpr int64_t kHoles = 20'000;
  MakeHoles(kHoles);
  v1::ConsumeRequest request;
  v1::Nack& skip = *request.add_nacks();
  skip.set_lease_epoch(epoch_);
  skip.set_action(v1::Nack::ACTION_SKIP);
  skip.add_ranges()->set_end(2 * kHoles);
  const uint64_t before = rig_.broker().GetStats(kTester).commits();
  ASSERT_THAT(consumer_->session().Take(request), IsOk());
  const v1::Settlement later = consumer_->Ack(0, epoch_, 2 * kHoles - 1, 2 * kHoles);
  EXPECT_THAT(RefusedOffsets(later), ElementsAre(2 * kHoles - 1)) << "it was skipped before";
  EXPECT_GE(rig_.broker().GetStats(kTester).commits() - before,
            kHoles / SettleQueue::kWorkPerCommit);
  EXPECT_EQ(rig_.Get("s").stats().skipped_events(), static_cast<uint64_t>(kHoles));
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
}

// The commit thread may need the mutex meanwhile.
TEST_F(BatchedWorkTest, ExpiresLeasesInBatches) {
  constexpr int64_t kHoles = 6'000;
  MakeHoles(kHoles);
  const auto expired = [&] { return static_cast<size_t>(rig_.Get("s").stats().expired_events()); };
  rig_.Pass(absl::Seconds(60));
  EXPECT_EQ(expired(), PartitionCursor::kMaxSwept);
  rig_.Pass(absl::Milliseconds(10));
  EXPECT_EQ(expired(), 2 * PartitionCursor::kMaxSwept);
  rig_.Pass(absl::Milliseconds(10));
  EXPECT_EQ(expired(), static_cast<size_t>(kHoles));
}

TEST_F(BatchedWorkTest, ReleasesEventsOfDepartedConsumerInBatches) {
  constexpr int64_t kHoles = 6'000;
  MakeHoles(kHoles);
  const auto out = [&] { return static_cast<size_t>(rig_.Get("s").stats().in_flight_events()); };
  consumer_->session().Close(Subscription::Ended::kByConsumer);
  EXPECT_EQ(out(), kHoles - PartitionCursor::kMaxSwept);
  // Others receive the events taken back.
  const auto other = rig_.Consume("s", "other", /*credit=*/1);
  EXPECT_THAT(other->Receive(1), SizeIs(1));
  rig_.Pass(absl::Milliseconds(10));
  EXPECT_EQ(out(), 1 + kHoles - 2 * PartitionCursor::kMaxSwept);
  rig_.Pass(absl::Milliseconds(10));
  EXPECT_EQ(out(), 1u);
  other->SetCredit(kHoles);
  EXPECT_THAT(other->Receive(kHoles - 1), SizeIs(kHoles - 1));
}

// Otherwise events would be delivered out of order, or beyond the limit of attempts.
TEST_F(BatchedWorkTest, WaitsForCompleteReleaseBeforeDelivery) {
  constexpr int64_t kHoles = 3'000;
  MakeHoles(kHoles, Stream());
  consumer_->session().Close(Subscription::Ended::kByConsumer);
  const auto other = rig_.Consume("s", "other", 2 * kHoles);
  EXPECT_THAT(other->Receive(), IsEmpty());
  EXPECT_EQ(other->caught_up, 0);
  rig_.Pass(absl::Milliseconds(10));
  const std::vector<Received> events = other->Receive(kHoles);
  ASSERT_THAT(events, SizeIs(kHoles));
  EXPECT_EQ(events[0].offset, 1);
  // A retry takes back later events, too.
  other->Nack(events[0], v1::Nack::ACTION_RETRY, "", absl::ZeroDuration());
  EXPECT_THAT(other->Receive(), IsEmpty());
  rig_.Pass(absl::Milliseconds(10));
  EXPECT_EQ(other->Receive(kHoles)[0].offset, 1);
}

TEST_F(BatchedWorkTest, AppliesLoweredLimitBeforeDelivery) {
  constexpr int64_t kHoles = 3'000;
  MakeHoles(kHoles);
  v1::ConsumeRequest request;
  v1::Nack& nack = *request.add_nacks();
  nack.set_lease_epoch(epoch_);
  nack.mutable_retry_after();
  for (int64_t i = 0; i < kHoles; ++i) {
    nack.add_ranges()->set_start(2 * i + 1);
    nack.mutable_ranges()->rbegin()->set_end(2 * i + 2);
  }
  consumer_->SetCredit(0);
  ASSERT_THAT(consumer_->Settle(request).refused(), IsEmpty());
  v1::Subscription once = Queue();
  once.set_max_delivery_attempts(1);
  ASSERT_THAT(rig_.UpdateSubscription(once, {"max_delivery_attempts"}), IsOk());
  consumer_->SetCredit(kHoles);
  EXPECT_THAT(consumer_->Receive(), IsEmpty());
  rig_.Pass(absl::Milliseconds(10));
  EXPECT_THAT(consumer_->Receive(), IsEmpty());
  const auto dead = [&] { return rig_.Get("s").stats().dead_lettered_events(); };
  EXPECT_TRUE(Eventually([&] { return dead() == kHoles; }));
}

// Its end is done in pieces, too, whatever holes there are.
TEST_F(BatchedWorkTest, AddsAndCancelsReplayInBatches) {
  constexpr int64_t kHoles = 5'000;
  MakeHoles(kHoles);
  const auto commits = [&] { return rig_.broker().GetStats(kTester).commits(); };
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  uint64_t before = commits();
  ASSERT_OK_AND_ASSIGN(const v1::ReplaySubscriptionResponse replayed, rig_.Replay(replay));
  EXPECT_EQ(replayed.events(), static_cast<uint64_t>(kHoles));
  EXPECT_EQ(rig_.Get("s").stats().replay_events(), static_cast<uint64_t>(kHoles));
  EXPECT_GT(commits() - before, kHoles / PartitionCursor::kMaxSwept);
  before = commits();
  ASSERT_OK_AND_ASSIGN(const v1::CancelReplaysResponse cancelled, rig_.CancelReplays("s"));
  EXPECT_EQ(cancelled.events(), static_cast<uint64_t>(kHoles));
  EXPECT_EQ(rig_.Get("s").stats().replay_events(), 0u);
  EXPECT_GE(commits() - before, 2 * kHoles / PartitionCursor::kMaxSwept);
}

// None of it is added after the end of all replays.
TEST_F(BatchedWorkTest, CancellingReplaysStopsReplayInProgress) {
  MakeHoles(10'000);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  auto replayed = std::async(std::launch::async, [&] { return rig_.Replay(replay); });
  const auto left = [&] { return rig_.Get("s").stats().replay_events(); };
  ASSERT_TRUE(Eventually([&] { return left() > 0; }));
  EXPECT_THAT(rig_.CancelReplays("s"), IsOk());
  EXPECT_THAT(replayed.get(), IsOk());
  EXPECT_EQ(left(), 0u);
}

class SeekInPiecesTest : public BatchedWorkTest {
 protected:
  static constexpr int64_t kHoles = 6'000;
  static constexpr int64_t kEvents = 2 * kHoles;

  static v1::SeekSubscriptionRequest ToOffset(int64_t offset) {
    v1::SeekSubscriptionRequest seek;
    seek.set_name("s");
    seek.mutable_start()->set_offset(offset);
    return seek;
  }
  static v1::SeekSubscriptionRequest ToSnapshot(const std::string& name) {
    v1::SeekSubscriptionRequest seek;
    seek.set_name("s");
    seek.set_snapshot(name);
    return seek;
  }

  uint64_t Commits() { return rig_.broker().GetStats(kTester).commits(); }
  v1::SubscriptionStats Stats() { return rig_.Get("s").stats(); }

  // Acks everything that is in flight.
  void AckRest() {
    for (int64_t from = 0; from < kEvents; from += kEvents / 4) {
      consumer_->Ack(0, epoch_, from, from + kEvents / 4);
    }
    ASSERT_EQ(Stats().lag_events(), 0u);
  }

  // The events that consumers receive from here on.
  std::set<int64_t> Rest() {
    std::set<int64_t> offsets;
    const auto consumer = rig_.Consume("s", "rest", kEvents);
    for (const Received& event : consumer->Receive()) offsets.insert(event.offset);
    return offsets;
  }

  static std::set<int64_t> Odd() {
    std::set<int64_t> odd;
    for (int64_t event = 1; event < kEvents; event += 2) odd.insert(event);
    return odd;
  }
};

// A seek leaves no pending events, neither in memory nor in the store.
TEST_F(SeekInPiecesTest, ForgetsAFewThousandHolesPerCommit) {
  MakeHoles(kHoles);
  const uint64_t before = Commits();
  ASSERT_THAT(rig_.Seek(ToOffset(kEvents - 1)), IsOk());
  EXPECT_GE(Commits() - before, kHoles / PartitionCursor::kMaxSwept);
  EXPECT_EQ(Stats().in_flight_events(), 0u);
  EXPECT_EQ(rig_.Get("s").consumers(0).in_use().events(), 0u);
  EXPECT_EQ(consumer_->Receive(1)[0].offset, kEvents - 1);
  consumer_.reset();
  rig_.Reopen();
  EXPECT_EQ(Stats().lag_events(), 1u);
  EXPECT_EQ(rig_.Consume("s", "c")->Receive(1)[0].offset, kEvents - 1);
}

TEST_F(SeekInPiecesTest, SnapshotsOfManyHolesAreTakenAndRestored) {
  MakeHoles(kHoles);
  uint64_t before = Commits();
  ASSERT_OK_AND_ASSIGN(const v1::CreateSnapshotResponse made, rig_.CreateSnapshot("s", "odd"));
  EXPECT_EQ(made.snapshot().lag_events(), uint64_t{kHoles});
  AckRest();
  before = Commits();
  ASSERT_OK_AND_ASSIGN(const v1::SeekSubscriptionResponse moved, rig_.Seek(ToSnapshot("odd")));
  EXPECT_GE(Commits() - before, kHoles / PartitionCursor::kMaxSwept);
  EXPECT_EQ(moved.moves(0).lag_after(), uint64_t{kHoles});
  EXPECT_EQ(Stats().lag_events(), uint64_t{kHoles});
  consumer_.reset();
  rig_.Reopen();
  EXPECT_EQ(Rest(), Odd());
}

// Acks do not wait for it; it contains the events that were unsettled when it began.
TEST_F(SeekInPiecesTest, ASnapshotIsOfTheMomentAtWhichItBegan) {
  MakeHoles(kHoles);
  const auto subscription = rig_.subscriptions().catalog().Find("s");
  SnapshotWork work;
  subscription->TakeSnapshot(work);
  EXPECT_FALSE(work.done());
  AckRest();
  for (int pieces = 1; !work.done(); ++pieces) {
    ASSERT_LE(pieces, kHoles / int64_t{PartitionCursor::kMaxSwept});
    subscription->TakeSnapshot(work);
  }
  stored::Snapshot snapshot;
  ASSERT_TRUE(snapshot.ParseFromString(work.Encoded()));
  EXPECT_EQ(snapshot.lag_events(), uint64_t{kHoles});
  std::set<int64_t> unsettled;
  for (const stored::SnapshotPartition& part : snapshot.partitions()) {
    EXPECT_EQ(part.next_offset(), kEvents);
    unsettled.insert(part.starts().begin(), part.starts().end());
  }
  EXPECT_EQ(unsettled, Odd());
}

// A record with several parts of a partition, whose ranges are not in order.
TEST_F(SeekInPiecesTest, RestoresASnapshotThatWasTakenWhileEventsWereSettled) {
  MakeHoles(kHoles);
  auto snapshot = std::async(std::launch::async, [&] { return rig_.CreateSnapshot("s", "odd"); });
  AckRest();
  ASSERT_OK_AND_ASSIGN(const v1::CreateSnapshotResponse made, snapshot.get());
  const uint64_t lag = made.snapshot().lag_events();
  ASSERT_THAT(rig_.Seek(ToSnapshot("odd")), IsOk());
  EXPECT_EQ(Stats().lag_events(), lag);
  consumer_.reset();
  // They were settled in the order of offsets.
  std::set<int64_t> expected = Odd();
  while (expected.size() > lag) expected.erase(expected.begin());
  EXPECT_EQ(Rest(), expected);
}

// Nothing is delivered, and the old position is reported, until all of it is done.
TEST_F(SeekInPiecesTest, IsSeenAsAWhole) {
  MakeHoles(kHoles);
  ASSERT_THAT(rig_.CreateSnapshot("s", "odd"), IsOk());
  AckRest();
  // Each piece waits until it is visible.
  rig_.disk.HoldSyncs(".log");
  auto seek = std::async(std::launch::async, [&] { return rig_.Seek(ToSnapshot("odd")); });
  int pieces = 0;
  while (seek.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    ASSERT_TRUE(Eventually([&] {
      return rig_.disk.held_syncs() > 0 ||
             seek.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }));
    if (rig_.disk.held_syncs() == 0) break;
    ++pieces;
    EXPECT_EQ(Stats().lag_events(), 0u);
    EXPECT_THAT(consumer_->PollAnyway(), IsOk());
    EXPECT_THAT(consumer_->events, IsEmpty());
    rig_.disk.ReleaseSyncs();
    rig_.disk.HoldSyncs(".log");
  }
  rig_.disk.ReleaseSyncs();
  EXPECT_THAT(seek.get(), IsOk());
  EXPECT_GE(pieces, 2);
  EXPECT_EQ(Stats().lag_events(), uint64_t{kHoles});
}

TEST_F(SeekInPiecesTest, ContinuesAfterItsCallerIsGone) {
  MakeHoles(kHoles);
  int asked = 0;
  std::promise<absl::Status> moved;
  rig_.subscriptions().moves().Seek(
      CallerUntil([&] { return ++asked > 1; }), ToOffset(kEvents), rig_.pool(),
      [&](const auto& response) { moved.set_value(response.status()); });
  EXPECT_THAT(moved.get_future().get(), IsOk());
  EXPECT_EQ(Stats().lag_events(), 0u);
}

// Each of them sees the other as done, or as not begun.
TEST_F(SeekInPiecesTest, SeeksAndSnapshotsComeOneAfterAnother) {
  MakeHoles(kHoles);
  ASSERT_THAT(rig_.CreateSnapshot("s", "odd"), IsOk());
  AckRest();
  std::vector<std::future<void>> calls;
  const auto call = [&](auto operation) {
    calls.push_back(
        std::async(std::launch::async, [operation] { EXPECT_THAT(operation(), IsOk()); }));
  };
  std::vector<uint64_t> lags(3);
  for (size_t i = 0; i < lags.size(); ++i) {
    call([this] { return rig_.Seek(ToSnapshot("odd")); });
    call([this] { return rig_.Seek(ToOffset(kEvents)); });
    call([this, i, &lags]() -> absl::Status {
      const auto made = rig_.CreateSnapshot("s", absl::StrCat("snapshot", i));
      if (made.ok()) lags[i] = made->snapshot().lag_events();
      return made.status();
    });
    call([this] {
      v1::ReplaySubscriptionRequest replay;
      replay.set_name("s");
      replay.mutable_start()->set_offset(kEvents - 1);
      return rig_.Replay(replay);
    });
  }
  for (std::future<void>& done : calls) done.get();
  for (const uint64_t lag : lags) EXPECT_TRUE(lag == 0 || lag == kHoles) << lag;
}

// Each event is unsettled at the old position, or at the new one; the seek can be repeated.
TEST_F(SeekInPiecesTest, CrashBetweenPiecesLosesNothing) {
  MakeHoles(kHoles);
  ASSERT_THAT(rig_.CreateSnapshot("s", "odd"), IsOk());
  AckRest();
  const uint64_t before = Commits();
  std::thread seek([this] { rig_.Seek(ToSnapshot("odd")).IgnoreError(); });
  ASSERT_TRUE(Eventually([&] { return Commits() > before; }));
  rig_.disk.Cut();
  seek.join();
  consumer_.reset();
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  const std::set<int64_t> odd = Odd();
  const std::set<int64_t> rest = Rest();
  EXPECT_TRUE(std::includes(odd.begin(), odd.end(), rest.begin(), rest.end()));
  ASSERT_THAT(rig_.Seek(ToSnapshot("odd")), IsOk());
  EXPECT_EQ(Rest(), odd);
}

TEST_F(BatchedWorkTest, RejectsRestOfRequestWhenStoreFails) {
  constexpr int64_t kHoles = 6'000;
  MakeHoles(kHoles);
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
  const v1::Settlement settlement = consumer_->Ack(0, epoch_, 0, 2 * kHoles);
  ASSERT_EQ(settlement.refused_size(), 1);
  EXPECT_EQ(settlement.refused(0).range().end(), 2 * kHoles);
  EXPECT_EQ(settlement.refused(0).error().code(), static_cast<int>(StatusCode::kUnavailable));
}

TEST_F(BatchedWorkTest, ReportsTrimmedHolesIndividually) {
  constexpr int64_t kHoles = 20'000;
  MakeHoles(kHoles);
  consumer_->session().Close(Subscription::Ended::kByConsumer);
  for (size_t i = 0; i < kHoles / PartitionCursor::kMaxSwept; ++i)
    rig_.Pass(absl::Milliseconds(10));
  const auto other = rig_.Consume("s", "other", /*credit=*/1);
  EXPECT_THAT(other->Receive(), SizeIs(1));
  other->SetCredit(0);
  rig_.clock.Advance(absl::Seconds(5));
  rig_.Trim("t", absl::Seconds(1), {2 * kHoles});
  // A look drops only a piece.
  EXPECT_LE(rig_.Get("s").stats().lost_events(), uint64_t{PartitionCursor::kMaxSwept});
  for (size_t i = 0; i < kHoles / PartitionCursor::kMaxSwept; ++i) {
    rig_.Pass(absl::Milliseconds(10));
  }
  EXPECT_EQ(rig_.Get("s").stats().lost_events(), static_cast<uint64_t>(kHoles - 1));
  EXPECT_THAT(other->PollAnyway(), IsOk());
  ASSERT_EQ(other->said.trimmed_size(), kHoles - 1);
  EXPECT_EQ(other->said.trimmed(0).range().start(), 3);
  EXPECT_EQ(other->said.trimmed(0).range().end(), 4);
}

class AttemptsTest : public SubscriptionTest {};

// A handler that runs once is one attempt, however late it reports failure.
TEST_F(AttemptsTest, LateNackDoesNotCountForNextAttempt) {
  v1::Subscription queue = Queue();
  queue.set_max_delivery_attempts(3);
  *queue.mutable_ack_deadline() = ToProto(absl::Seconds(2));
  Create(queue);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> first = consumer->Receive(2);
  ASSERT_THAT(first, SizeIs(2));
  consumer->Extend(first[1], absl::Seconds(60));
  rig_.Pass(absl::Seconds(2));
  const std::vector<Received> second = consumer->Receive(1);
  ASSERT_THAT(IdsOf(second), ElementsAre("a"));
  EXPECT_EQ(second[0].attempt, 2u);
  EXPECT_THAT(RefusedOffsets(consumer->Nack(first[0], v1::Nack::ACTION_RETRY)), ElementsAre(0));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  // The lease of the other consumer continues.
  EXPECT_THAT(
      RefusedOffsets(consumer->Nack(first[1], v1::Nack::ACTION_RETRY, "", absl::ZeroDuration())),
      IsEmpty());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("b"));
  // A late ack still counts.
  EXPECT_THAT(RefusedOffsets(consumer->Ack(first[0])), IsEmpty());
}

TEST_F(AttemptsTest, EventsBehindFailingOneKeepTheirAttempts) {
  v1::Subscription stream = Stream();
  stream.set_max_delivery_attempts(3);
  Create(stream);
  ASSERT_THAT(rig_.Publish("t", {"bad", "flaky", "1", "2", "3"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const std::vector<Received> events = consumer->Receive();
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events[0].id, "bad");
    EXPECT_EQ(events[0].attempt, attempt);
    consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "", absl::ZeroDuration());
  }
  rig_.AwaitParking("s");
  for (uint32_t attempt = 1; attempt <= 2; ++attempt) {
    const std::vector<Received> events = consumer->Receive();
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events[0].id, "flaky");
    EXPECT_EQ(events[0].attempt, attempt);
    consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "", absl::ZeroDuration());
  }
  EXPECT_THAT(rig_.DeadLetters("s"), SizeIs(1));
}

TEST_F(AttemptsTest, LoweredLimitSparesEventsThatNeverFailed) {
  Create(Stream());
  ASSERT_THAT(rig_.Publish("t", {"bad", "1", "2", "3"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  for (int i = 0; i < 5; ++i) {
    const std::vector<Received> events = consumer->Receive();
    ASSERT_THAT(IdsOf(events), ElementsAre("bad", "1", "2", "3"));
    consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "",
                   i < 4 ? absl::ZeroDuration() : absl::Seconds(60));
  }
  v1::Subscription lowered = Stream();
  lowered.set_max_delivery_attempts(3);
  ASSERT_THAT(rig_.UpdateSubscription(lowered, {"max_delivery_attempts"}), IsOk());
  rig_.AwaitParking("s");
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].event().id(), "bad");
  EXPECT_THAT(IdsOf(consumer->Receive()), ElementsAre("1", "2", "3"));
}

// Only a change of the limit causes another check.
TEST_F(AttemptsTest, UnrelatedUpdateKeepsAttempts) {
  for (const bool ordered_by_key : {false, true}) {
    v1::Subscription queue = Queue();
    queue.set_max_delivery_attempts(2);
    queue.set_ordered_by_key(ordered_by_key);
    *queue.mutable_ack_deadline() = ToProto(absl::Seconds(2));
    Create(queue);
    ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
    const auto end_a_consumer = [&](uint32_t attempt) {
      const auto consumer = rig_.Consume("s", "c");
      const std::vector<Received> events = consumer->Receive(1);
      ASSERT_THAT(events, SizeIs(1));
      EXPECT_EQ(events[0].attempt, attempt);
      consumer->session().Close(Subscription::Ended::kByConsumer);
    };
    end_a_consumer(1);
    rig_.Pass(absl::Seconds(2));  // Nor is it isolated any more.
    queue.set_description("new");
    ASSERT_THAT(rig_.UpdateSubscription(queue, {"description"}), IsOk());
    EXPECT_EQ(rig_.subscriptions().catalog().Find("s")->MakeReport().isolated, 0);
    end_a_consumer(2);
    rig_.AwaitParking("s");
    EXPECT_THAT(rig_.DeadLetters("s"), SizeIs(1)) << ordered_by_key;
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

TEST_F(AttemptsTest, HubStopIsNoFailedAttempt) {
  for (v1::Subscription subscription : {Stream(), Queue()}) {
    subscription.set_max_delivery_attempts(2);
    Create(subscription);
    ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
    for (int i = 0; i < 4; ++i) {
      {
        const auto consumer = rig_.Consume("s", "c");
        const std::vector<Received> events = consumer->Receive(2);
        ASSERT_THAT(IdsOf(events), ElementsAre("a", "b"));
        EXPECT_EQ(events[0].attempt, 1u);
        EXPECT_EQ(events[1].attempt, 1u);
        // Writes after a kill are lost.
        if (i % 2 == 0) rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
        consumer->session().Close(i % 2 == 0 ? Subscription::Ended::kByConsumer
                                             : Subscription::Ended::kByHub);
      }
      rig_.Close();
      rig_.disk.FailWrites(FaultEnv::Fault::kNone);
      ASSERT_THAT(rig_.Open(), IsOk());
    }
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

}  // namespace
}  // namespace eventhub
