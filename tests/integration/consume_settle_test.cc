// Acks, nacks and extensions over gRPC, and their refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/consume_fixture.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using v1::ErrorDetail;

class SettleTest : public ConsumeTest {
 protected:
  SettleTest() : ConsumeTest(TestServerOptions(), 2) {
    CreateSubscription(hub_.client(), QueueOf("q"));
    CreateSubscription(hub_.client(), StreamOf("s"));
  }
  static v1::Settlement OnlyRefusal(TestConsumer& consumer, const v1::ConsumeRequest& request) {
    v1::Settlement settlement = consumer.Settle(request);
    EXPECT_EQ(settlement.refused_size(), 1) << settlement.ShortDebugString();
    if (settlement.refused_size() != 1) settlement.add_refused();
    return settlement;
  }
  static void ExpectRefused(TestConsumer& consumer, const v1::ConsumeRequest& request,
                            StatusCode code, ErrorDetail::Reason reason) {
    const v1::Settlement settlement = OnlyRefusal(consumer, request);
    const v1::ErrorStatus& error = settlement.refused(0).error();
    EXPECT_EQ(error.code(), static_cast<int>(code)) << settlement.ShortDebugString();
    EXPECT_EQ(DetailOf(error).reason(), reason);
    EXPECT_FALSE(error.message().empty());
  }
};

TEST_F(SettleTest, SettlesEachRequestOnce) {
  PublishSome(100);
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(100));
  for (const Received& event : consumer.events()) {
    v1::ConsumeRequest request = AckOf(event);
    request.set_correlation_id(static_cast<uint64_t>(event.offset));
    ASSERT_TRUE(consumer.Send(request));
  }
  ASSERT_TRUE(consumer.Until([&] { return consumer.settlements().size() == 100; }));
  for (const auto& [id, settlement] : consumer.settlements()) {
    EXPECT_LT(id, 100u);
    EXPECT_EQ(settlement.refused_size(), 0);
  }
  EXPECT_EQ(StatsOf("q").acked_events(), 100u);
}

TEST_F(SettleTest, SettlementWaitsForSync) {
  PublishSome(1);
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(1));
  hub_.gate().Close();
  v1::ConsumeRequest ack = AckOf(consumer.events()[0]);
  ack.set_correlation_id(5);
  ASSERT_TRUE(consumer.Send(ack));
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  EXPECT_TRUE(consumer.settlements().empty());
  hub_.gate().Open();
  EXPECT_TRUE(consumer.Until([&] { return consumer.settlements().count(5) > 0; }));
}

TEST_F(SettleTest, RequestMayCombineAllKinds) {
  PublishSome(4);
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(4));
  v1::ConsumeRequest request = AckOf(consumer.events()[0]);
  request.MergeFrom(NackOf(consumer.events()[1], v1::Nack::ACTION_SKIP));
  request.MergeFrom(NackOf(consumer.events()[2], v1::Nack::ACTION_PARK, "bad"));
  request.MergeFrom(ExtensionOf(consumer.events()[3], 60));
  request.MergeFrom(CreditOf(10));
  consumer.MustSettle(request);
  const v1::SubscriptionStats stats = StatsOf("q");
  EXPECT_EQ(stats.acked_events(), 1u);
  EXPECT_EQ(stats.skipped_events(), 1u);
  EXPECT_EQ(stats.dead_lettered_events(), 1u);
  EXPECT_EQ(stats.in_flight_events(), 1u);
  const v1::ListDeadLettersResponse letters = ListDeadLetters(hub_.client(), "q");
  ASSERT_EQ(letters.dead_letters_size(), 1);
  EXPECT_EQ(letters.dead_letters(0).source_offset(), 2);
  EXPECT_EQ(letters.dead_letters(0).reason(), "bad");
}

TEST_F(SettleTest, NackedEventIsRedeliveredWithNextAttempt) {
  PublishSome(1);
  TestConsumer consumer(hub_.client(), "q");
  for (uint32_t attempt = 1; attempt <= 5; ++attempt) {
    ASSERT_TRUE(consumer.UntilEvents(attempt));
    EXPECT_EQ(consumer.events().back().attempt, attempt);
    v1::ConsumeRequest nack = NackOf(consumer.events().back(), v1::Nack::ACTION_RETRY, "again");
    nack.mutable_nacks(0)->mutable_retry_after()->set_nanos(1'000'000);
    consumer.MustSettle(nack);
  }
  ASSERT_TRUE(consumer.UntilEvents(6));
  EXPECT_EQ(StatsOf("q").nacked_events(), 5u);
  EXPECT_EQ(StatsOf("q").redelivered_events(), 5u);
}

TEST_F(SettleTest, RetryRewindsStream) {
  PublishSome(4);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(4));
  v1::ConsumeRequest nack = NackOf(consumer.events()[1], v1::Nack::ACTION_RETRY);
  nack.mutable_nacks(0)->mutable_retry_after()->set_nanos(0);
  consumer.MustSettle(nack);
  ASSERT_TRUE(consumer.UntilEvents(7));
  EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 2, 3, 1, 2, 3));
  consumer.MustSettle(AckOf(consumer.events()[6]));
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
}

TEST_F(SettleTest, EnforcesAndExtendsAckDeadline) {
  v1::Subscription settings = QueueOf("short");
  settings.mutable_ack_deadline()->set_nanos(100'000'000);
  CreateSubscription(hub_.client(), settings);
  PublishSome(2);
  TestConsumer consumer(hub_.client(), "short");
  ASSERT_TRUE(consumer.UntilEvents(2));
  // One is extended and stays leased; the other is redelivered.
  consumer.MustSettle(ExtensionOf(consumer.events()[1], 3600));
  ASSERT_TRUE(consumer.UntilEvents(3));
  EXPECT_EQ(consumer.events()[2].offset, 0);
  EXPECT_EQ(consumer.events()[2].attempt, 2u);
  EXPECT_EQ(StatsOf("short").expired_events(), 1u);
  consumer.MustSettle(AckOf(consumer.events()[1]));
}

TEST_F(SettleTest, RejectsEventsOfAnotherConsumer) {
  PublishSome(1);
  TestConsumer holder(hub_.client(), "q");
  ASSERT_TRUE(holder.UntilEvents(1));
  TestConsumer other(hub_.client(), "q");
  ASSERT_TRUE(other.Next());
  const Received& event = holder.events()[0];
  for (const v1::ConsumeRequest& request :
       {AckOf(event), NackOf(event, v1::Nack::ACTION_RETRY), NackOf(event, v1::Nack::ACTION_PARK),
        NackOf(event, v1::Nack::ACTION_SKIP), ExtensionOf(event, 60)}) {
    ExpectRefused(other, request, StatusCode::ABORTED, ErrorDetail::REASON_LEASE_LOST);
  }
  EXPECT_EQ(StatsOf("q").lag_events(), 1u);
  holder.MustSettle(AckOf(event));
  // No consumer holds it any more.
  ExpectRefused(other, AckOf(event), StatusCode::ABORTED, ErrorDetail::REASON_LEASE_LOST);
}

TEST_F(SettleTest, RefusedRangesDoNotAffectRest) {
  PublishSome(3);
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(3));
  v1::ConsumeRequest request = AckOf(consumer.events()[0]);
  request.MergeFrom(AckOf(consumer.events()[0]));  // Acked by then.
  request.MergeFrom(AckOf({7, 0, 1, consumer.events()[0].lease_epoch, ""}));
  v1::OffsetRange& backwards = *request.mutable_acks(0)->add_ranges();
  backwards.set_start(2);
  backwards.set_end(1);
  request.MergeFrom(AckOf(consumer.events()[2]));
  const v1::Settlement settlement = consumer.Settle(request);
  std::vector<int> codes;
  for (const v1::RefusedRange& refused : settlement.refused()) {
    codes.push_back(refused.error().code());
  }
  EXPECT_THAT(codes, testing::UnorderedElementsAre(static_cast<int>(StatusCode::INVALID_ARGUMENT),
                                                   static_cast<int>(StatusCode::NOT_FOUND),
                                                   static_cast<int>(StatusCode::ABORTED)));
  EXPECT_EQ(StatsOf("q").acked_events(), 2u);
}

TEST_F(SettleTest, InvalidRangesGetSpecificErrors) {
  PublishSome(1);
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(1));
  const Received& event = consumer.events()[0];
  Received wrong = event;
  wrong.partition = 2;
  ExpectRefused(consumer, AckOf(wrong), StatusCode::NOT_FOUND,
                ErrorDetail::REASON_PARTITION_NOT_FOUND);
  wrong = event;
  ++wrong.lease_epoch;
  ExpectRefused(consumer, AckOf(wrong), StatusCode::ABORTED, ErrorDetail::REASON_LEASE_LOST);
  wrong = event;
  wrong.offset = -5;
  ExpectRefused(consumer, AckOf(wrong), StatusCode::INVALID_ARGUMENT,
                ErrorDetail::REASON_INVALID_FIELD);
  for (const int64_t seconds : {int64_t{0}, int64_t{12} * 3600 + 1, int64_t{-1}}) {
    ExpectRefused(consumer, ExtensionOf(event, seconds), StatusCode::INVALID_ARGUMENT,
                  ErrorDetail::REASON_INVALID_FIELD);
  }
  v1::ConsumeRequest nack = NackOf(event, v1::Nack::ACTION_RETRY);
  nack.mutable_nacks(0)->mutable_retry_after()->set_seconds(7 * 24 * 3600 + 1);
  ExpectRefused(consumer, nack, StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD);
  consumer.MustSettle(AckOf(event));
}

// A lease epoch belongs to one assignment.
TEST_F(SettleTest, RejectsAckOfMovedPartition) {
  PublishTo(0, 2);
  PublishTo(1, 2);
  TestConsumer first(hub_.client(), "s");
  ASSERT_TRUE(first.UntilEvents(4));
  TestConsumer second(hub_.client(), "s");
  // One partition is requested back, and moves when it is settled.
  ASSERT_TRUE(first.Until([&] { return !first.draining().empty(); }));
  const v1::PartitionLease draining = first.draining()[0];
  EXPECT_GT(draining.time_left().seconds() * 1'000'000'000 + draining.time_left().nanos(), 0);
  std::vector<Received> moving;
  for (const Received& event : first.events()) {
    if (event.partition == draining.partition()) moving.push_back(event);
  }
  ASSERT_EQ(moving.size(), 2u);
  first.MustSettle(AckOf(moving[1]));
  ASSERT_TRUE(first.Until([&] { return !first.revoked().empty(); }));
  ASSERT_TRUE(second.Until([&] { return !second.assigned().empty(); }));
  const v1::PartitionLease assigned = second.assigned()[0];
  EXPECT_EQ(assigned.partition(), draining.partition());
  EXPECT_GT(assigned.lease_epoch(), draining.lease_epoch());
  EXPECT_EQ(assigned.next_offset(), 2);
  ExpectRefused(first, AckOf(moving[1]), StatusCode::ABORTED, ErrorDetail::REASON_LEASE_LOST);
  PublishTo(draining.partition(), 1);
  ASSERT_TRUE(second.UntilEvents(1));
  EXPECT_EQ(second.events()[0].offset, 2);
  EXPECT_EQ(second.events()[0].attempt, 1u);
  EXPECT_EQ(second.events()[0].lease_epoch, assigned.lease_epoch());
  // The right position, but the previous epoch.
  Received stale = second.events()[0];
  stale.lease_epoch = draining.lease_epoch();
  ExpectRefused(second, AckOf(stale), StatusCode::ABORTED, ErrorDetail::REASON_LEASE_LOST);
  second.MustSettle(AckOf(second.events()[0]));
}

TEST_F(SettleTest, SeekRevokesLeases) {
  PublishSome(2);
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(2));
  SeekToEarliest(hub_.client(), "q");
  ASSERT_TRUE(consumer.Until([&] { return !consumer.revoked().empty(); }));
  ASSERT_TRUE(consumer.UntilEvents(4));
  EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 0, 1));
  ExpectRefused(consumer, AckOf(consumer.events()[0]), StatusCode::ABORTED,
                ErrorDetail::REASON_LEASE_LOST);
  consumer.AckFrom(2);
  EXPECT_EQ(StatsOf("q").lag_events(), 0u);
}

TEST_F(SettleTest, FailedStoreReportsUnknownOutcome) {
  PublishSome(1);
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(1));
  hub_.gate().Fail();
  const v1::Settlement settlement = OnlyRefusal(consumer, AckOf(consumer.events()[0]));
  EXPECT_EQ(settlement.refused(0).error().code(), static_cast<int>(StatusCode::UNAVAILABLE));
  EXPECT_EQ(DetailOf(settlement.refused(0).error()).reason(), ErrorDetail::REASON_STORE_FAILED);
}

}  // namespace
}  // namespace eventhub
