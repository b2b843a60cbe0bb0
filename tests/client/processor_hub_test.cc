// A stream processor against the real hub: reads, writes and acks in transactions.

#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "eventhub/transaction.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/mutex.h"
#include "tests/support/eventually.h"
#include "tests/support/test_hub.h"

namespace eventhub::client {
namespace {

constexpr int kEvents = 600;

class ProcessorTest : public testing::TestWithParam<SubscriptionKind> {
 protected:
  ProcessorTest() : connection_(Connect(hub_.address())) {}

  void SetUp() override {
    AdminClient admin(connection_);
    ASSERT_TRUE(admin.CreateTopic({.name = "in", .partitions = 4}).ok());
    ASSERT_TRUE(admin.CreateTopic({.name = "out", .partitions = 2}).ok());
    ASSERT_TRUE(SubscriptionClient(connection_)
                    .CreateSubscription({.name = "s",
                                         .topic = "in",
                                         .kind = GetParam(),
                                         .retry_policy = {.min_backoff = absl::Milliseconds(1),
                                                          .max_backoff = absl::Milliseconds(2)}},
                                        StartPosition::Earliest())
                    .ok());
    auto publisher = Publisher::Create(connection_, {.topic = "in"});
    ASSERT_TRUE(publisher.ok());
    for (int i = 0; i < kEvents; ++i) {
      v1::Event event;
      event.set_id(absl::StrCat(i));
      event.set_source("/test");
      event.set_type("in");
      event.set_partition_key(absl::StrCat(i % 7));
      (*publisher)->PublishAsync(event);
    }
    ASSERT_TRUE((*publisher)->Flush(absl::Seconds(60)).ok());
  }

  // Copies an event to `out`, or fails before or after the transaction.
  Outcome Process(const ReceivedEvent& received) {
    const int fate = Roll();
    if (fate == 0) return Outcome::Retry("stumbled before");
    v1::Event event;
    if (!received.ParseTo(event).ok()) return Outcome::Park("not an event");
    event.set_type("out");
    Transaction transaction;
    transaction.Ack("s", received).Append("out", std::move(event));
    const auto result = Commit(*connection_, transaction);
    if (!result.ok()) return Outcome::Retry(std::string(result.status().message()));
    // The event is settled, whatever outcome the handler returns.
    return fate == 1 ? Outcome::Retry("stumbled after") : Outcome::Settled();
  }

  std::unique_ptr<Subscriber> Start() {
    auto subscriber = Subscriber::Start(
        connection_, {.subscription = "s",
                      .on_event = [this](const ReceivedEvent& event) { return Process(event); },
                      .credit = {.events = 50}});
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }

  int Roll() {
    MutexLock lock(mutex_);
    return static_cast<int>(random_() % 10);
  }

  uint64_t Lag() {
    const auto description = SubscriptionClient(connection_).GetSubscription("s");
    return description.ok() ? description->stats.lag_events : UINT64_MAX;
  }

  TestHub hub_;
  std::shared_ptr<Connection> connection_;
  Mutex mutex_;
  std::mt19937 random_ ABSL_GUARDED_BY(mutex_){7};
};

INSTANTIATE_TEST_SUITE_P(All, ProcessorTest,
                         testing::Values(SubscriptionKind::kStream, SubscriptionKind::kQueue),
                         [](const auto& info) {
                           return info.param == SubscriptionKind::kStream ? "Stream" : "Queue";
                         });

TEST_P(ProcessorTest, WritesOncePerEventDespiteFailures) {
  const auto steady = Start();
  // Other processors join and leave without warning.
  for (int i = 0; i < 5; ++i) {
    const auto passer_by = Start();
    ASSERT_TRUE(Eventually([&] { return passer_by->counters().handled > 20 || Lag() == 0; }));
  }
  ASSERT_TRUE(Eventually([&] { return Lag() == 0; }));
  ASSERT_TRUE(steady->Stop(absl::Seconds(30)).ok());
  auto reader = Reader::Create(connection_, {.topic = "out"});
  ASSERT_TRUE(reader.ok());
  std::multiset<std::string> ids;
  for (;;) {
    const auto batch = (*reader)->Next(absl::Seconds(30));
    ASSERT_TRUE(batch.ok()) << batch.status();
    v1::Event event;
    for (const ReceivedEvent& received : *batch) {
      ASSERT_TRUE(received.ParseTo(event).ok());
      ids.insert(event.id());
    }
    if (batch->done()) break;
  }
  EXPECT_EQ(ids.size(), static_cast<size_t>(kEvents));
  for (int i = 0; i < kEvents; ++i) EXPECT_EQ(ids.count(absl::StrCat(i)), 1u) << i;
}

}  // namespace
}  // namespace eventhub::client
