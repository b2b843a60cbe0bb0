// Consumers that disconnect in every state that a stream can be in, repeatedly: nothing breaks
// (under AddressSanitizer), nothing stays leased, and no event is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/integration/consume_fixture.h"

namespace eventhub {
namespace {

using grpc::StatusCode;

constexpr int kCancelRounds = 40;

class ConsumeCancelTest : public ConsumeTest {
 protected:
  explicit ConsumeCancelTest(ServerOptions options = TestServerOptions())
      : ConsumeTest(std::move(options), 2) {
    CreateSubscription(hub_.client(), QueueOf("q"));
    CreateSubscription(hub_.client(), StreamOf("s"));
  }

  // Acks all events, those received and those still to come, until the hub ends the stream.
  static void AckToTheEnd(TestConsumer& consumer) {
    size_t acked = 0;
    do {
      for (; acked < consumer.events().size(); ++acked) {
        consumer.Send(AckOf(consumer.events()[acked]));
      }
    } while (consumer.Next());
  }

  // Afterwards the next consumer receives every event, and can ack it.
  void TearDown() override {
    hub_.gate().Open();
    for (const char* const name : {"q", "s"}) {
      ASSERT_TRUE(EventuallyConsumers(name, 0));
      EXPECT_EQ(StatsOf(name).in_flight_events(), 0u);
      PublishSome(1);
      TestConsumer consumer(hub_.client(), name);
      size_t acked = 0;
      ASSERT_TRUE(Eventually([&] {
        EXPECT_TRUE(consumer.UntilEvents(acked + 1));
        const size_t seen = consumer.events().size();
        consumer.AckFrom(acked);
        acked = seen;
        return HasFailure() || StatsOf(name).lag_events() == 0;
      }));
    }
  }
};

TEST_F(ConsumeCancelTest, BeforeFirstResponse) {
  PublishSome(10);
  for (int i = 0; i < kCancelRounds; ++i) {
    TestConsumer consumer(hub_.client(), i % 2 == 0 ? "q" : "s");
    consumer.Cancel();
    EXPECT_EQ(consumer.End().error_code(), StatusCode::CANCELLED);
  }
}

TEST_F(ConsumeCancelTest, BeforeFirstRequest) {
  for (int i = 0; i < kCancelRounds; ++i) {
    grpc::ClientContext context;
    const auto stream = hub_.client().hub().Consume(&context);
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  }
}

TEST_F(ConsumeCancelTest, DuringWakeUp) {
  for (int i = 0; i < kCancelRounds; ++i) {
    TestConsumer consumer(hub_.client(), i % 2 == 0 ? "q" : "s");
    ASSERT_TRUE(consumer.Next());
    std::thread publisher([&] { PublishSome(1); });
    consumer.Cancel();
    EXPECT_EQ(consumer.End().error_code(), StatusCode::CANCELLED);
    publisher.join();
  }
}

TEST_F(ConsumeCancelTest, BeforeAcksAreSettled) {
  PublishSome(20);
  for (int i = 0; i < kCancelRounds; ++i) {
    TestConsumer consumer(hub_.client(), i % 2 == 0 ? "q" : "s");
    if (consumer.events().empty()) PublishSome(1);
    ASSERT_TRUE(consumer.UntilEvents(1));
    hub_.gate().Close();
    for (const Received& event : consumer.events()) {
      if (event.offset % 3 == i % 3) consumer.Send(AckOf(event));
    }
    if (i % 4 < 2) consumer.HalfClose();
    if (i % 3 == 0) hub_.gate().Open();
    consumer.Cancel();
    consumer.End();
    hub_.gate().Open();
  }
}

TEST_F(ConsumeCancelTest, DuringParking) {
  for (int i = 0; i < kCancelRounds; ++i) {
    PublishSome(3);
    TestConsumer consumer(hub_.client(), i % 2 == 0 ? "q" : "s");
    ASSERT_TRUE(consumer.UntilEvents(1));
    consumer.Send(NackOf(consumer.events()[0], v1::Nack::ACTION_PARK));
    consumer.Cancel();
    consumer.End();
  }
}

TEST_F(ConsumeCancelTest, DuringPartitionMove) {
  PublishTo(0, 5);
  PublishTo(1, 5);
  for (int i = 0; i < kCancelRounds; ++i) {
    TestConsumer first(hub_.client(), "s");
    ASSERT_TRUE(first.UntilEvents(1));
    TestConsumer second(hub_.client(), "s");
    if (i % 2 == 0) {
      ASSERT_TRUE(first.Until([&] { return !first.draining().empty(); }));
    }
    TestConsumer& victim = i % 4 < 2 ? first : second;
    victim.Cancel();
    victim.End();
    TestConsumer& heir = i % 4 < 2 ? second : first;
    ASSERT_TRUE(heir.UntilEvents(10));
  }
}

TEST_F(ConsumeCancelTest, DuringSubscriptionDeletion) {
  for (int i = 0; i < kCancelRounds; ++i) {
    CreateSubscription(hub_.client(), QueueOf("gone"));
    TestConsumer consumer(hub_.client(), "gone");
    if (i % 2 == 0) {
      ASSERT_TRUE(consumer.Next());
    }
    std::thread deleter([&] { DeleteSubscription(hub_.client(), "gone"); });
    consumer.Cancel();
    EXPECT_THAT(consumer.End().error_code(),
                testing::AnyOf(StatusCode::CANCELLED, StatusCode::NOT_FOUND));
    deleter.join();
  }
}

// Two subscriptions under load, whose consumers do anything, and die at any moment.
TEST_F(ConsumeCancelTest, AtRandomMoments) {
  std::atomic<bool> done{false};
  std::thread publisher([&] {
    for (uint32_t i = 0; !done; ++i) PublishTo(i % 2, 5, std::string(1000, 'x'));
  });
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      std::mt19937 random(t);
      for (int i = 0; i < kCancelRounds; ++i) {
        TestConsumer consumer(hub_.client(), t % 2 == 0 ? "q" : "s");
        const unsigned steps = random() % 8;
        for (unsigned step = 0; step < steps && consumer.Next(); ++step) {
          for (const Received& event : consumer.events()) {
            if (random() % 4 == 0) consumer.Send(AckOf(event));
            if (random() % 16 == 0) consumer.Send(NackOf(event, v1::Nack::ACTION_SKIP));
          }
          if (random() % 4 == 0) consumer.Send(CreditOf(random() % 20));
          if (random() % 10 == 0) {
            consumer.Send(LeaveRequest());
            // A consumer that leaves gets no new events, and keeps its leases until it has settled
            // all of them. One that then only waits blocks the others until the ack deadline.
            if (random() % 2 == 0) AckToTheEnd(consumer);
            break;
          }
          // Without credit and other consumers, nothing would arrive.
          consumer.Send(CreditOf(1 + random() % 1000));
        }
        consumer.Cancel();
        consumer.End();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  publisher.join();
}

class ColdConsumeCancelTest : public ConsumeCancelTest {
 protected:
  ColdConsumeCancelTest() : ConsumeCancelTest(Options()) {}
  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.broker.tail_cache_bytes = 1;
    return options;
  }
};

TEST_F(ColdConsumeCancelTest, DuringReadFromDisk) {
  for (int i = 0; i < 20; ++i) PublishTo(static_cast<uint32_t>(i % 2), 5, std::string(20'000, 'x'));
  for (int i = 0; i < kCancelRounds; ++i) {
    v1::ConsumeRequest first = OpenOf(i % 2 == 0 ? "q" : "s");
    first.mutable_open()->set_max_response_bytes(50'000);
    TestConsumer consumer(hub_.client(), first);
    for (int r = 0; r < i % 5; ++r) ASSERT_TRUE(consumer.Next());
    consumer.Cancel();
    EXPECT_EQ(consumer.End().error_code(), StatusCode::CANCELLED);
  }
}

// A drain may begin in every state too, and a cancellation may come during the drain.
TEST(ConsumeDrainTest, StreamsInEveryState) {
  for (int i = 0; i < 10; ++i) {
    TestHub hub;
    CreateTopic(hub.client(), "t");
    CreateSubscription(hub.client(), QueueOf("q"));
    for (int n = 0; n < 20; ++n) {
      Publish(hub.client(), MakePublish("t", 1, std::string(100'000, 'x')));
    }
    HubClient small(hub.address(), SmallWindow());
    TestConsumer unread(small, "q");
    TestConsumer reading(hub.client(), "q");
    ASSERT_TRUE(reading.UntilEvents(1));
    hub.gate().Close();
    reading.Send(AckOf(reading.events()[0]));
    reading.Send(NackOf(reading.events().back(), v1::Nack::ACTION_PARK));
    ASSERT_TRUE(Eventually([&] { return hub.gate().waiting() > 0; }));
    std::thread shutdown([&hub] { hub.Shutdown(kTestDeadline); });
    if (i % 2 == 0) hub.gate().Open();
    if (i % 4 < 2) reading.Cancel();
    unread.Cancel();
    hub.gate().Open();
    EXPECT_THAT(reading.End().error_code(),
                testing::AnyOf(StatusCode::CANCELLED, StatusCode::UNAVAILABLE));
    shutdown.join();
  }
}

}  // namespace
}  // namespace eventhub
