// Consumers and the log on disk: restarts of the hub, events that are only on disk, and trimmed
// events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/integration/consume_fixture.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

using testing::ElementsAre;

class RestartTest : public testing::Test {
 protected:
  RestartTest() {
    Start();
    CreateTopic(hub_->client(), "t", 2);
  }
  // A clean shutdown and a new start.
  void Restart() {
    hub_->Shutdown(kTestDeadline);
    hub_.reset();
    Start();
  }
  void Start() {
    ServerOptions options = TestServerOptions();
    options.broker.store.directory = directory_ / "data";
    hub_ = std::make_unique<TestHub>(std::move(options));
  }
  void PublishTo(uint32_t partition, int count) {
    v1::PublishRequest request = MakePublish("t", count);
    request.set_partition(partition);
    Publish(hub_->client(), request);
  }

  // Waits until the hub knows that the consumers of subscription s have gone.
  bool EventuallyAlone() {
    return Eventually([&] { return GetSubscription(hub_->client(), "s").consumers_size() == 0; });
  }

  const TempDirectory directory_;
  std::unique_ptr<TestHub> hub_;
};

TEST_F(RestartTest, QueueResumesWithHolesAndAttempts) {
  CreateSubscription(hub_->client(), QueueOf("s"));
  PublishTo(0, 6);
  {
    TestConsumer consumer(hub_->client(), "s");
    ASSERT_TRUE(consumer.UntilEvents(6));
    consumer.MustSettle(AckOf(consumer.events()[0]));
    consumer.MustSettle(AckOf(consumer.events()[3]));
    v1::ConsumeRequest nack = NackOf(consumer.events()[4], v1::Nack::ACTION_RETRY);
    nack.mutable_nacks(0)->mutable_retry_after()->set_nanos(0);
    consumer.MustSettle(nack);
    ASSERT_TRUE(consumer.UntilEvents(7));
    EXPECT_EQ(consumer.events()[6].attempt, 2u);
  }
  ASSERT_TRUE(EventuallyAlone());
  Restart();
  TestConsumer consumer(hub_->client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(4));
  EXPECT_THAT(consumer.offsets(), ElementsAre(1, 2, 4, 5));
  for (const Received& event : consumer.events()) {
    EXPECT_EQ(event.attempt, event.offset == 4 ? 3u : 2u) << event.offset;
  }
  consumer.AckFrom(0);
  EXPECT_EQ(GetSubscription(hub_->client(), "s").stats().lag_events(), 0u);
}

TEST_F(RestartTest, StreamResumesAtAckedOffset) {
  CreateSubscription(hub_->client(), StreamOf("s"));
  PublishTo(0, 5);
  PublishTo(1, 5);
  uint64_t epoch = 0;
  {
    TestConsumer consumer(hub_->client(), "s");
    ASSERT_TRUE(consumer.UntilEvents(10));
    for (const Received& event : consumer.events()) {
      epoch = std::max(epoch, event.lease_epoch);
      if (event.offset == 2) consumer.MustSettle(AckOf(event));
    }
  }
  ASSERT_TRUE(EventuallyAlone());
  Restart();
  TestConsumer consumer(hub_->client(), "s");
  ASSERT_TRUE(consumer.UntilEvents(4));
  std::map<uint32_t, std::vector<int64_t>> offsets;
  for (const Received& event : consumer.events()) {
    offsets[event.partition].push_back(event.offset);
    EXPECT_GT(event.lease_epoch, epoch);  // No earlier lease becomes valid again.
    // The consumer of event 3 disconnected; the later event had no attempt.
    EXPECT_EQ(event.attempt, event.offset == 3 ? 2u : 1u);
  }
  EXPECT_THAT(offsets[0], ElementsAre(3, 4));
  EXPECT_THAT(offsets[1], ElementsAre(3, 4));
}

TEST_F(RestartTest, DeadLettersSurviveRestart) {
  v1::Subscription settings = QueueOf("s");
  settings.set_max_delivery_attempts(2);
  settings.mutable_retry_policy()->mutable_min_backoff()->set_nanos(1000);
  settings.mutable_retry_policy()->mutable_max_backoff()->set_nanos(1000);
  CreateSubscription(hub_->client(), settings);
  PublishTo(0, 1);
  {
    TestConsumer consumer(hub_->client(), "s");
    ASSERT_TRUE(consumer.UntilEvents(1));
    consumer.MustSettle(NackOf(consumer.events()[0], v1::Nack::ACTION_RETRY, "first"));
    ASSERT_TRUE(consumer.UntilEvents(2));
    consumer.MustSettle(NackOf(consumer.events()[1], v1::Nack::ACTION_RETRY, "last"));
    EXPECT_EQ(ListDeadLetters(hub_->client(), "s").dead_letters_size(), 1);
  }
  Restart();
  const v1::ListDeadLettersResponse letters = ListDeadLetters(hub_->client(), "s");
  ASSERT_EQ(letters.dead_letters_size(), 1);
  EXPECT_EQ(letters.dead_letters(0).attempts(), 2u);
  EXPECT_EQ(letters.dead_letters(0).reason(), "last");
  const v1::SubscriptionStats stats = GetSubscription(hub_->client(), "s").stats();
  EXPECT_EQ(stats.open_dead_letters(), 1u);
  EXPECT_EQ(stats.lag_events(), 0u);
}

// No published event stays in memory.
class ColdTest : public ConsumeTest {
 protected:
  ColdTest() : ConsumeTest(Options(), 3) {}
  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.broker.tail_cache_bytes = 1;
    return options;
  }
};

TEST_F(ColdTest, DeliversFromDisk) {
  CreateSubscription(hub_.client(), QueueOf("q"));
  CreateSubscription(hub_.client(), StreamOf("s"));
  for (int i = 0; i < 30; ++i) PublishTo(static_cast<uint32_t>(i % 3), 10, std::string(2000, 'x'));
  for (const char* const name : {"q", "s"}) {
    v1::ConsumeRequest first = OpenOf(name);
    first.mutable_open()->set_max_response_bytes(20'000);
    TestConsumer consumer(hub_.client(), first);
    ASSERT_TRUE(consumer.UntilEvents(300));
    std::map<uint32_t, int64_t> next;
    for (const Received& event : consumer.events()) {
      EXPECT_EQ(event.offset, next[event.partition]++) << name;
      EXPECT_EQ(event.id, std::to_string(event.offset % 10));
    }
    consumer.AckFrom(0);
    EXPECT_EQ(StatsOf(name).lag_events(), 0u);
  }
  EXPECT_GT(GetStats(hub_.client()).totals().delivered_events(), 0u);
}

TEST_F(ColdTest, ConsumersShareEventsOnDisk) {
  CreateSubscription(hub_.client(), QueueOf("q"));
  for (int i = 0; i < 30; ++i) PublishTo(static_cast<uint32_t>(i % 3), 10, std::string(2000, 'x'));
  std::vector<std::unique_ptr<TestConsumer>> consumers;
  for (int i = 0; i < 5; ++i) {
    v1::ConsumeRequest first = OpenOf("q", uint32_t{60});
    first.mutable_open()->set_max_response_bytes(20'000);
    consumers.push_back(std::make_unique<TestConsumer>(hub_.client(), first));
  }
  std::set<std::pair<uint32_t, int64_t>> seen;
  for (const auto& consumer : consumers) {
    ASSERT_TRUE(consumer->UntilEvents(60));
    for (const Received& event : consumer->events()) {
      EXPECT_TRUE(seen.emplace(event.partition, event.offset).second);
      EXPECT_EQ(event.attempt, 1u);
    }
  }
  EXPECT_EQ(seen.size(), 300u);
}

TEST_F(ColdTest, RedeliversFromDisk) {
  CreateSubscription(hub_.client(), QueueOf("q"));
  PublishTo(1, 20, std::string(2000, 'x'));
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(consumer.UntilEvents(20));
  v1::ConsumeRequest nack = NackOf(consumer.events()[7], v1::Nack::ACTION_RETRY);
  nack.mutable_nacks(0)->mutable_retry_after()->set_nanos(0);
  consumer.MustSettle(nack);
  ASSERT_TRUE(consumer.UntilEvents(21));
  EXPECT_EQ(consumer.events()[20].offset, 7);
  EXPECT_EQ(consumer.events()[20].id, "7");
  EXPECT_EQ(consumer.events()[20].attempt, 2u);
}

// It follows from memory; then more events arrive at once than memory holds.
class FallBehindTest : public ConsumeTest {
 protected:
  FallBehindTest() : ConsumeTest(Options()) {}
  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.broker.tail_cache_bytes = 300'000;
    return options;
  }
};

TEST_F(FallBehindTest, NotifiesConsumerThatFellBehind) {
  CreateSubscription(hub_.client(), StreamOf("s"));
  TestConsumer consumer(hub_.client(), "s");
  ASSERT_TRUE(consumer.Until([&] { return consumer.caught_up(); }));
  ASSERT_TRUE(consumer.Send(CreditOf(0)));
  ASSERT_TRUE(Eventually(
      [&] { return GetSubscription(hub_.client(), "s").consumers(0).credit().events() == 0; }));
  for (int i = 0; i < 20; ++i) PublishSome(1, std::string(100'000, 'x'));
  ASSERT_TRUE(consumer.Send(CreditOf(1000)));
  ASSERT_TRUE(consumer.UntilEvents(20));
  int fell_behind = 0;
  for (const v1::ConsumeResponse& response : consumer.responses()) {
    fell_behind += response.fell_behind() ? 1 : 0;
  }
  EXPECT_EQ(fell_behind, 1);
}

class ConsumerTrimTest : public ConsumeTest {
 protected:
  ConsumerTrimTest() : ConsumeTest(Options()) {}
  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.broker.maintenance->retention_interval = absl::Milliseconds(10);
    return options;
  }
};

TEST_F(ConsumerTrimTest, ReportsTrimmedEvents) {
  v1::Topic topic;
  topic.set_name("short");
  topic.mutable_retention()->set_max_bytes(20'000);
  CreateTopic(hub_.client(), topic);
  CreateSubscription(hub_.client(), QueueOf("s", "short"));
  for (int i = 0; i < 50; ++i) {
    Publish(hub_.client(), MakePublish("short", 1, std::string(5000, 'x')));
  }
  ASSERT_TRUE(
      Eventually([&] { return GetPartition(hub_.client(), "short").start_offset() >= 40; }));
  TestConsumer consumer(hub_.client(), "s");
  int64_t lost = 0;
  ASSERT_TRUE(consumer.Until(
      [&] { return !consumer.events().empty() && consumer.events().back().offset == 49; }));
  for (const v1::ConsumeResponse& response : consumer.responses()) {
    for (const v1::TrimmedRange& trimmed : response.trimmed()) {
      EXPECT_EQ(trimmed.range().start(), lost);
      lost = trimmed.range().end();
    }
  }
  EXPECT_GE(lost, 40);
  EXPECT_EQ(consumer.events()[0].offset, lost);
  EXPECT_EQ(StatsOf("s").lost_events(), static_cast<uint64_t>(lost));
}

}  // namespace
}  // namespace eventhub
