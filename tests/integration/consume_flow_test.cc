// Credit and frames: how many events a consumer has at a time, and that one which does not read
// blocks no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/integration/consume_fixture.h"

namespace eventhub {
namespace {

using testing::ElementsAre;

class FlowTest : public ConsumeTest {
 protected:
  // A round trip: the hub has processed everything sent before it.
  static void Barrier(TestConsumer& consumer) {
    v1::ConsumeRequest nothing;
    nothing.add_extensions()->set_lease_epoch(0);
    consumer.Settle(nothing);
  }
};

TEST_F(FlowTest, LimitsEventsInFlightToCredit) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(10);
  TestConsumer consumer(hub_.client(), OpenOf("s", uint32_t{3}));
  ASSERT_TRUE(consumer.UntilEvents(3));
  Barrier(consumer);
  EXPECT_EQ(consumer.events().size(), 3u);
  consumer.MustSettle(AckOf(consumer.events()[1]));
  ASSERT_TRUE(consumer.UntilEvents(4));
  Barrier(consumer);
  EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(StatsOf("s").in_flight_events(), 3u);
}

TEST_F(FlowTest, CreditChangesApplyImmediately) {
  for (const v1::Subscription& settings : {QueueOf("q"), StreamOf("s")}) {
    CreateSubscription(hub_.client(), settings);
    TestConsumer consumer(hub_.client(), OpenOf(settings.name(), uint32_t{0}));
    ASSERT_TRUE(consumer.Next());
    PublishSome(10);
    Barrier(consumer);
    EXPECT_TRUE(consumer.events().empty());
    ASSERT_TRUE(consumer.Send(CreditOf(4)));
    ASSERT_TRUE(consumer.UntilEvents(4));
    // Less than what is in flight: nothing more until that is settled.
    ASSERT_TRUE(consumer.Send(CreditOf(2)));
    consumer.MustSettle(AckOf(consumer.events()[0]));
    Barrier(consumer);
    EXPECT_EQ(consumer.events().size(), 4u);
    ASSERT_TRUE(consumer.Send(CreditOf(0)));
    consumer.AckFrom(1);
    Barrier(consumer);
    EXPECT_EQ(consumer.events().size(), 4u);
    ASSERT_TRUE(consumer.Send(CreditOf(1000)));
    ASSERT_TRUE(consumer.UntilEvents(10));
  }
}

TEST_F(FlowTest, LimitsBytesInFlightToCredit) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(10, std::string(1000, 'x'));
  v1::ConsumeRequest first = CreditOf(1000, 3500);
  *first.mutable_open() = OpenOf("s").open();
  TestConsumer consumer(hub_.client(), first);
  ASSERT_TRUE(consumer.UntilEvents(3));
  Barrier(consumer);
  EXPECT_EQ(consumer.events().size(), 3u);
  ASSERT_TRUE(consumer.Send(CreditOf(1000, 0)));
  consumer.AckFrom(0);
  Barrier(consumer);
  EXPECT_EQ(consumer.events().size(), 3u);
  ASSERT_TRUE(consumer.Send(CreditOf(1000, 1 << 20)));
  ASSERT_TRUE(consumer.UntilEvents(10));
}

TEST_F(FlowTest, OversizedEventIsDeliveredAlone) {
  CreateSubscription(hub_.client(), QueueOf("s"));
  PublishSome(3, std::string(10'000, 'x'));
  v1::ConsumeRequest first = CreditOf(1000, 100);
  *first.mutable_open() = OpenOf("s").open();
  TestConsumer consumer(hub_.client(), first);
  for (size_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(consumer.UntilEvents(i));
    Barrier(consumer);
    ASSERT_EQ(consumer.events().size(), i);
    consumer.AckFrom(i - 1);
  }
}

// Credit is left: the size of a frame does not limit what may be in flight.
TEST_F(FlowTest, EventLargerThanFrameIsDeliveredAlongsideOthers) {
  for (const v1::Subscription& settings : {QueueOf("q"), StreamOf("s")}) {
    CreateSubscription(hub_.client(), settings);
  }
  PublishSome(1);
  PublishSome(1, std::string(500'000, 'x'));
  PublishSome(1);
  for (const char* const name : {"q", "s"}) {
    v1::ConsumeRequest first = OpenOf(name);
    first.mutable_open()->set_max_response_bytes(4096);
    TestConsumer consumer(hub_.client(), first);
    ASSERT_TRUE(consumer.UntilEvents(3)) << name;
    EXPECT_THAT(consumer.offsets(), ElementsAre(0, 1, 2));
    for (const v1::ConsumeResponse& response : consumer.responses()) {
      if (response.ByteSizeLong() > 5000) {
        ASSERT_EQ(response.batches_size(), 1);
        EXPECT_EQ(response.batches(0).events_size(), 1);
      }
    }
  }
}

TEST_F(FlowTest, LimitsFrameSize) {
  CreateSubscription(hub_.client(), StreamOf("s"));
  PublishSome(200, std::string(1000, 'x'));
  v1::ConsumeRequest first = OpenOf("s");
  first.mutable_open()->set_max_response_bytes(10'000);
  TestConsumer consumer(hub_.client(), first);
  ASSERT_TRUE(consumer.UntilEvents(200));
  for (const v1::ConsumeResponse& response : consumer.responses()) {
    EXPECT_LT(response.ByteSizeLong(), 11'000u);
  }
}

TEST_F(FlowTest, StalledConsumerCostsOneFrame) {
  constexpr int kEvents = 300;
  const std::string data(100'000, 'x');
  CreateSubscription(hub_.client(), QueueOf("s"));
  HubClient stuck_client(hub_.address(), SmallWindow());
  v1::ConsumeRequest all = CreditOf(1'000'000, uint64_t{1} << 30);
  *all.mutable_open() = OpenOf("s", "stuck").open();
  TestConsumer stuck(stuck_client, all);
  ASSERT_TRUE(stuck.Until([&] { return stuck.caught_up(); }));
  TestConsumer busy(hub_.client(), OpenOf("s", "busy"));
  ASSERT_TRUE(busy.Until([&] { return busy.caught_up(); }));
  for (int i = 0; i < kEvents / 10; ++i) PublishSome(10, data);
  // Everything except the events sent to the stuck consumer arrives here.
  const auto held = [&]() -> v1::Credit {
    const v1::GetSubscriptionResponse state = GetSubscription(hub_.client(), "s");
    for (const v1::ConsumerInfo& consumer : state.consumers()) {
      if (consumer.name() == "stuck") return consumer.in_use();
    }
    ADD_FAILURE() << "it is gone";
    return {};
  };
  size_t acked = 0;
  while (busy.events().size() + held().events() < kEvents) {
    ASSERT_TRUE(busy.UntilEvents(acked + 1));
    const size_t seen = busy.events().size();
    busy.AckFrom(acked);
    acked = seen;
  }
  // A frame that gRPC has accepted, up to the window, and one that waits for it.
  EXPECT_LE(held().bytes(), uint64_t{2} << 20);
  stuck.Cancel();
  ASSERT_TRUE(busy.UntilEvents(kEvents));
  busy.AckFrom(acked);
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
}

TEST_F(FlowTest, PausedSubscriptionDeliversNothing) {
  v1::Subscription settings = CreateSubscription(hub_.client(), QueueOf("s"));
  settings.set_paused(true);
  UpdateSubscription(hub_.client(), settings, "paused");
  PublishSome(3);
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.Next());
  Barrier(consumer);
  EXPECT_TRUE(consumer.events().empty());
  settings.set_paused(false);
  UpdateSubscription(hub_.client(), settings, "paused");
  ASSERT_TRUE(consumer.UntilEvents(3));
  settings.set_paused(true);
  UpdateSubscription(hub_.client(), settings, "paused");
  consumer.AckFrom(0);  // Events in flight can be settled.
  EXPECT_EQ(StatsOf("s").lag_events(), 0u);
}

TEST_F(FlowTest, RespectsRateLimit) {
  v1::Subscription settings = QueueOf("s");
  settings.mutable_rate_limit()->set_events_per_second(100);
  CreateSubscription(hub_.client(), settings);
  PublishSome(130);
  TestConsumer consumer(hub_.client(), "s");
  const absl::Time start = absl::Now();
  ASSERT_TRUE(consumer.UntilEvents(130));
  // A second's worth at once, the rest at the rate.
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(250));
}

// Refusals are answers too: a client that does not read them cannot make them accumulate.
TEST_F(FlowTest, StopsReadingFromClientThatNeverReads) {
  constexpr int kRequests = 100'000;
  CreateSubscription(hub_.client(), QueueOf("s"));
  HubClient stuck_client(hub_.address(), SmallWindow());
  TestConsumer stuck(stuck_client, "s");
  ASSERT_TRUE(stuck.Until([&] { return stuck.caught_up(); }));
  v1::ConsumeRequest refused = NackOf({7, 0, 1, 1, ""}, v1::Nack::ACTION_RETRY);
  refused.mutable_nacks(0)->set_reason(std::string(4000, 'x'));
  std::atomic<int> sent{0};
  std::thread sender([&] {
    while (sent < kRequests && stuck.Send(refused)) ++sent;
  });
  // The hub reads on while there is room for its answers; then it stops reading from the client.
  int before = -1;
  int still = 0;
  EXPECT_TRUE(Eventually([&] {
    still = sent == before ? still + 1 : 0;
    before = sent;
    return still > 1000 || sent == kRequests;
  }));
  EXPECT_LT(sent, kRequests);
  stuck.Cancel();
  sender.join();
}

}  // namespace
}  // namespace eventhub
