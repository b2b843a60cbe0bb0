// Consumers that disconnect, with or without leaving first, and which consumers get their events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <thread>

#include "tests/integration/consume_fixture.h"
#include "tests/support/tcp_proxy.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;

constexpr int kFailovers = 30;
constexpr absl::Duration kMaxFailover = absl::Seconds(1);

class FailoverTest : public ConsumeTest {
 protected:
  // Measures the time from the death of one consumer until the other has its event, repeatedly.
  template <typename Dead, typename Kill>
  void Measure(const std::string& subscription, const std::string& what, Dead make, Kill kill) {
    std::vector<absl::Duration> times;
    for (int round = 0; round < kFailovers; ++round) {
      auto victim = make();
      PublishSome(1);
      ASSERT_TRUE(victim->UntilEvents(1));
      TestConsumer heir(hub_.client(), subscription);
      ASSERT_TRUE(heir.Next());
      ASSERT_TRUE(EventuallyConsumers(subscription, 2));
      const absl::Time death = absl::Now();
      kill(*victim);
      ASSERT_TRUE(heir.UntilEvents(1));
      times.push_back(absl::Now() - death);
      EXPECT_EQ(heir.events()[0].offset, victim->events()[0].offset);
      EXPECT_EQ(heir.events()[0].attempt, 2u);
      EXPECT_LT(times.back(), kMaxFailover);
      heir.AckFrom(0);
      heir.Send(LeaveRequest());
      EXPECT_THAT(heir.End(), IsOk());
      ASSERT_TRUE(EventuallyConsumers(subscription, 0));
    }
    std::sort(times.begin(), times.end());
    std::cout << "failover of a " << what << ": median "
              << absl::FormatDuration(absl::Trunc(times[kFailovers / 2], absl::Microseconds(10)))
              << ", slowest "
              << absl::FormatDuration(absl::Trunc(times.back(), absl::Microseconds(10)))
              << std::endl;
  }
};

TEST_F(FailoverTest, CancelledQueueConsumerIsReplaced) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  Measure(
      "s", "QUEUE consumer, cancelled",
      [&] { return std::make_unique<TestConsumer>(hub_.client(), "s"); },
      [](TestConsumer& victim) { victim.Cancel(); });
}

TEST_F(FailoverTest, CancelledStreamConsumerIsReplaced) {
  CreateSubscription(hub_.client(), StreamOf("s"));
  Measure(
      "s", "STREAM consumer, cancelled",
      [&] { return std::make_unique<TestConsumer>(hub_.client(), "s"); },
      [](TestConsumer& victim) { victim.Cancel(); });
}

TEST_F(FailoverTest, DisconnectedStreamConsumerIsReplaced) {
  CreateSubscription(hub_.client(), StreamOf("s"));
  std::unique_ptr<TcpProxy> proxy;
  std::unique_ptr<HubClient> client;
  Measure(
      "s", "STREAM consumer, connection reset",
      [&] {
        client.reset();
        proxy = std::make_unique<TcpProxy>(hub_.address());
        client = std::make_unique<HubClient>(proxy->address());
        return std::make_unique<TestConsumer>(*client, "s");
      },
      [&](TestConsumer&) { proxy->Cut(); });
}

TEST_F(FailoverTest, GracefulLeaveHandsOverWithoutRedelivery) {
  for (const v1::Subscription& settings : {QueueOf("q"), StreamOf("s")}) {
    CreateSubscription(hub_.client(), settings);
    const int64_t base = GetPartition(hub_.client(), "t").end_offset();
    TestConsumer leaver(hub_.client(), settings.name());
    if (base > 0) {
      ASSERT_TRUE(leaver.UntilEvents(static_cast<size_t>(base)));
      leaver.AckFrom(0);
    }
    const size_t seen = leaver.events().size();
    PublishSome(2);
    ASSERT_TRUE(leaver.UntilEvents(seen + 2));
    ASSERT_TRUE(leaver.Send(LeaveRequest()));
    // New events go to other consumers; this one only has to settle its own.
    ASSERT_TRUE(Eventually([&] {
      const v1::GetSubscriptionResponse state = GetSubscription(hub_.client(), settings.name());
      return state.consumers_size() == 1 && state.consumers(0).leaving();
    }));
    PublishSome(1);
    TestConsumer heir(hub_.client(), settings.name());
    leaver.AckFrom(seen);
    EXPECT_THAT(leaver.End(), IsOk());
    EXPECT_EQ(leaver.events().size(), seen + 2);
    ASSERT_TRUE(heir.UntilEvents(1));
    EXPECT_EQ(heir.events()[0].offset, base + 2);
    EXPECT_EQ(heir.events()[0].attempt, 1u);
    heir.AckFrom(0);
    EXPECT_EQ(StatsOf(settings.name()).redelivered_events(), 0u);
  }
}

TEST_F(FailoverTest, HalfCloseLeaves) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(2);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(2));
  v1::ConsumeRequest acks = AckOf(consumer.events()[0]);
  acks.MergeFrom(AckOf(consumer.events()[1]));
  acks.set_correlation_id(9);
  ASSERT_TRUE(consumer.Send(acks));
  consumer.HalfClose();
  EXPECT_THAT(consumer.End(), IsOk());
  ASSERT_EQ(consumer.settlements().count(9), 1u);
  EXPECT_EQ(consumer.settlements().at(9).refused_size(), 0);
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
}

// It can settle nothing more: others get its events when their leases expire.
TEST_F(FailoverTest, HalfCloseEndsWhenLeasesExpire) {
  v1::Subscription settings = QueueOf("s");
  settings.mutable_ack_deadline()->set_nanos(200'000'000);
  CreateSubscription(hub_.client(), settings);
  PublishSome(1);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(1));
  consumer.HalfClose();
  TestConsumer heir(hub_.client(), "s");
  ASSERT_TRUE(heir.UntilEvents(1));
  EXPECT_EQ(heir.events()[0].attempt, 2u);
  EXPECT_THAT(consumer.End(), IsOk());
}

TEST_F(FailoverTest, LeaveInFirstRequestEndsImmediately) {
  CreateSubscription(hub_.client(), StreamOf("s"));
  PublishSome(1);
  v1::ConsumeRequest first = OpenOf("s");
  first.set_leave(true);
  TestConsumer consumer(hub_.client(), first);
  EXPECT_THAT(consumer.End(), IsOk());
  ASSERT_FALSE(consumer.responses().empty());
  EXPECT_TRUE(consumer.responses()[0].has_opened());
  EXPECT_TRUE(consumer.events().empty());
}

TEST_F(FailoverTest, ShutdownSettlesBeforeEndingStreams) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(3);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(3));
  TestConsumer idle(hub_.client(), "s");
  ASSERT_TRUE(idle.Next());
  HubClient late_client(hub_.address());
  grpc::ClientContext unopened_context;
  const auto unopened = late_client.hub().Consume(&unopened_context);
  hub_.gate().Close();
  v1::ConsumeRequest acks = AckOf(consumer.events()[0]);
  acks.MergeFrom(AckOf(consumer.events()[1]));
  acks.set_correlation_id(3);
  ASSERT_TRUE(consumer.Send(acks));
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  std::thread shutdown([&] { hub_.Shutdown(kTestDeadline); });
  const auto shut_down = FailsWith(StatusCode::UNAVAILABLE, v1::ErrorDetail::REASON_SHUTTING_DOWN);
  EXPECT_THAT(idle.End(), shut_down);  // It has nothing to wait for.
  hub_.gate().Open();
  const grpc::Status status = consumer.End();
  EXPECT_THAT(status, shut_down);
  EXPECT_GT(DetailOf(status).retry_delay().seconds(), 0);
  ASSERT_EQ(consumer.settlements().count(3), 1u);
  EXPECT_EQ(consumer.settlements().at(3).refused_size(), 0);
  v1::ConsumeResponse response;
  EXPECT_FALSE(unopened->Read(&response));
  EXPECT_EQ(unopened->Finish().error_code(), StatusCode::UNAVAILABLE);
  shutdown.join();
}

TEST_F(FailoverTest, IdleConsumerReceivesReturnedEvents) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  TestConsumer idle(hub_.client(), "s");
  ASSERT_TRUE(idle.Until([&] { return idle.caught_up(); }));
  TestConsumer holder(hub_.client(), "s");
  ASSERT_TRUE(holder.Until([&] { return holder.caught_up(); }));
  idle.Send(CreditOf(0));
  ASSERT_TRUE(Eventually([&] {
    const v1::GetSubscriptionResponse state = GetSubscription(hub_.client(), "s");
    for (const v1::ConsumerInfo& consumer : state.consumers()) {
      if (consumer.credit().events() == 0) return true;
    }
    return false;
  }));
  PublishSome(2);
  ASSERT_TRUE(holder.UntilEvents(2));
  idle.Send(CreditOf(10));
  v1::ConsumeRequest nack = NackOf(holder.events()[0], v1::Nack::ACTION_RETRY);
  nack.mutable_nacks(0)->mutable_retry_after()->set_nanos(0);
  nack.MergeFrom(CreditOf(0));
  holder.MustSettle(nack);
  ASSERT_TRUE(idle.UntilEvents(1));
  EXPECT_THAT(idle.offsets(), ElementsAre(0));
}

}  // namespace
}  // namespace eventhub
