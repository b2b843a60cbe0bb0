// The subscriber against the real hub: what the fakes assume, and complete lifecycles of
// consumers.

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventhub/publisher.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/mutex.h"
#include "tests/support/eventually.h"
#include "tests/support/test_hub.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kLong = absl::Seconds(60);

// The events that handlers received, on any thread.
class Log {
 public:
  void Add(const ReceivedEvent& event) {
    MutexLock lock(mutex_);
    offsets_[event.partition()].push_back(event.offset());
    ++size_;
  }
  void Add(const EventBatch& batch) {
    for (const ReceivedEvent& event : batch) Add(event);
  }
  std::map<uint32_t, std::vector<int64_t>> offsets() const {
    MutexLock lock(mutex_);
    return offsets_;
  }
  size_t size() const {
    MutexLock lock(mutex_);
    return size_;
  }

 private:
  mutable Mutex mutex_;
  std::map<uint32_t, std::vector<int64_t>> offsets_ ABSL_GUARDED_BY(mutex_);
  size_t size_ ABSL_GUARDED_BY(mutex_) = 0;
};

class SubscriberHubTest : public testing::Test {
 protected:
  SubscriberHubTest() : connection_(Connect(hub_.address())) {}

  void Create(SubscriptionKind kind, uint32_t partitions, Subscription settings = {}) {
    ASSERT_TRUE(AdminClient(connection_).CreateTopic({.name = "t", .partitions = partitions}).ok());
    settings.name = "s";
    settings.topic = "t";
    settings.kind = kind;
    settings.retry_policy = {.min_backoff = absl::Milliseconds(1),
                             .max_backoff = absl::Milliseconds(5)};
    const auto created = client_.CreateSubscription(settings, StartPosition::Earliest());
    ASSERT_TRUE(created.ok()) << created.status();
  }

  // Events `first` to before `end`, with keys from "0" to "keys - 1" in turn.
  void Publish(int first, int end, int keys, size_t batch_events = 100) {
    auto publisher = Publisher::Create(
        connection_,
        {.topic = "t", .durability = Durability::kWritten, .max_batch_events = batch_events});
    ASSERT_TRUE(publisher.ok());
    v1::Event event;
    event.set_source("/test");
    event.set_type("test");
    for (int i = first; i < end; ++i) {
      event.set_id(std::to_string(i));
      event.set_partition_key(std::to_string(i % keys));
      ASSERT_TRUE((*publisher)->Publish(event).ok());
    }
    ASSERT_TRUE((*publisher)->Flush(kLong).ok());
  }

  std::unique_ptr<Subscriber> Start(SubscriberOptions options) {
    options.subscription = "s";
    auto subscriber = Subscriber::Start(connection_, std::move(options));
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }

  SubscriptionStats Stats() {
    const auto description = client_.GetSubscription("s");
    EXPECT_TRUE(description.ok()) << description.status();
    return description.ok() ? description->stats : SubscriptionStats();
  }
  bool NoLagIsLeft() {
    return Eventually([this] { return Stats().lag_events == 0; }, kLong);
  }

  TestHub hub_;
  const std::shared_ptr<Connection> connection_;
  SubscriptionClient client_{connection_};
};

TEST_F(SubscriberHubTest, HandsStreamOverInOrderWithoutRepetition) {
  Create(SubscriptionKind::kStream, 4);
  Publish(0, 10'000, 50);
  Log log;
  const auto options = [&log] {
    return SubscriberOptions{.on_batch = [&log](const EventBatch& batch) {
      log.Add(batch);
      return Outcome::Ack();
    }};
  };
  auto first = Start(options());
  ASSERT_TRUE(Eventually([&] { return log.size() > 0; }));
  auto second = Start(options());
  Publish(10'000, 20'000, 50);
  EXPECT_TRUE(first->Stop(kLong).ok());
  Publish(20'000, 30'000, 50);
  ASSERT_TRUE(NoLagIsLeft());
  EXPECT_TRUE(second->Stop(kLong).ok());
  EXPECT_EQ(log.size(), 30'000u);
  for (const auto& [partition, offsets] : log.offsets()) {
    for (size_t i = 0; i < offsets.size(); ++i) {
      ASSERT_EQ(offsets[i], static_cast<int64_t>(i)) << "partition " << partition;
    }
  }
  EXPECT_EQ(first->counters().acked + second->counters().acked, 30'000u);
  EXPECT_EQ(first->counters().lease_lost + second->counters().lease_lost, 0u);
}

// Retries, parks and skips events at random. In each partition, or for each key, an event is not
// handled before the earlier ones are done.
class SubscriberOrderTest : public SubscriberHubTest,
                            public testing::WithParamInterface<std::pair<SubscriptionKind, Order>> {
};

TEST_P(SubscriberOrderTest, HoldsForEveryOutcome) {
  constexpr int kEvents = 6000;
  constexpr int kKeys = 20;
  const auto [kind, order] = GetParam();
  const bool stream = kind == SubscriptionKind::kStream;
  Create(kind, 3, {.ordered_by_key = !stream});
  Mutex mutex;
  std::mt19937 random(testing::UnitTest::GetInstance()->random_seed());
  std::map<std::string, int64_t> last_done;  // By the unit of order: the partition or the key.
  std::set<std::string> ids_done;
  int disorder = 0;
  int again = 0;
  SubscriberOptions options{.order = order};
  options.on_event = [&](const ReceivedEvent& received) {
    v1::Event event;
    EXPECT_TRUE(received.ParseTo(event).ok());
    MutexLock lock(mutex);
    const std::string lane = stream && order != Order::kPerKey
                                 ? absl::StrCat("partition ", received.partition())
                                 : "key " + event.partition_key();
    const auto [last, is_new] = last_done.try_emplace(lane, -1);
    if (ids_done.count(event.id()) != 0) ++again;
    if (received.offset() > last->second) {
      // All events of the lane in between must be done. If the lane is one of several keys of a
      // partition, these are the events of that key, whose ids are 20 apart.
      const int id = std::stoi(event.id());
      if (lane[0] == 'k' && id >= kKeys && ids_done.count(std::to_string(id - kKeys)) == 0) {
        ++disorder;
      }
      if (lane[0] == 'p' && received.offset() != last->second + 1) ++disorder;
    }
    const auto dice = random() % 100;
    if (dice < 3) return Outcome::Retry("later");
    if (dice < 4) return Outcome::Retry("at once", absl::ZeroDuration());
    ids_done.insert(event.id());
    last->second = std::max(last->second, received.offset());
    if (dice < 6) return Outcome::Park("broken");
    if (dice < 8) return Outcome::Skip("not ours");
    return Outcome::Ack();
  };
  auto subscriber = Start(std::move(options));
  Publish(0, kEvents, kKeys, /*batch_events=*/7);
  ASSERT_TRUE(NoLagIsLeft());
  EXPECT_TRUE(subscriber->Stop(kLong).ok());
  MutexLock lock(mutex);
  EXPECT_EQ(disorder, 0);
  EXPECT_EQ(ids_done.size(), static_cast<size_t>(kEvents));
  // With order per key on a STREAM, a retry of one key also takes back later events of other keys.
  if (!stream || order != Order::kPerKey) {
    EXPECT_EQ(again, 0);
  }
  EXPECT_EQ(subscriber->counters().lease_lost, 0u);
  EXPECT_EQ(subscriber->counters().failed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Orders, SubscriberOrderTest,
                         testing::Values(std::pair(SubscriptionKind::kStream, Order::kPerPartition),
                                         std::pair(SubscriptionKind::kStream, Order::kPerKey),
                                         std::pair(SubscriptionKind::kQueue, Order::kNone),
                                         std::pair(SubscriptionKind::kQueue, Order::kPerKey)));

TEST_F(SubscriberHubTest, DeadLettersAndRedrivesPoisonEventOfStream) {
  Create(SubscriptionKind::kStream, 1, {.max_delivery_attempts = 3});
  Publish(0, 10, 1);
  Log log;
  std::atomic<bool> mended = false;
  auto subscriber = Start({.on_event = [&](const ReceivedEvent& event) {
    log.Add(event);
    if (event.offset() == 4 && !mended) throw std::runtime_error("poison");
    return Outcome::Ack();
  }});
  ASSERT_TRUE(NoLagIsLeft());
  EXPECT_THAT(log.offsets()[0], ElementsAre(0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9));
  std::vector<DeadLetter> letters;
  const auto list = [&] {
    letters.clear();
    return client_.ListDeadLetters("s", {}, /*with_data=*/false, [&](DeadLetter letter) {
      letters.push_back(std::move(letter));
      return true;
    });
  };
  ASSERT_TRUE(list().ok());
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].source_offset, 4);
  EXPECT_EQ(letters[0].attempts, 3u);
  EXPECT_EQ(letters[0].reason, "poison");
  EXPECT_EQ(letters[0].event.id(), "4");

  mended = true;
  EXPECT_EQ(client_.RedriveDeadLetters("s", {}).value().events, 1u);
  ASSERT_TRUE(Eventually([&] { return log.size() == 13; }, kLong));
  ASSERT_TRUE(Eventually([&] { return Stats().replay_events == 0; }, kLong));
  ASSERT_TRUE(list().ok());
  EXPECT_TRUE(letters.empty());
  EXPECT_TRUE(subscriber->Stop(kLong).ok());
}

TEST_F(SubscriberHubTest, RedeliversEventsOfDisconnectedConsumer) {
  Create(SubscriptionKind::kQueue, 2);
  Publish(0, 100, 10);
  Log log;
  Mutex mutex;
  CondVar released;
  bool release = false;
  auto stuck = Start({.on_event =
                          [&](const ReceivedEvent&) {
                            MutexLock lock(mutex);
                            while (!release) released.Wait(mutex);
                            return Outcome::Ack();
                          },
                      .threads = 1});
  ASSERT_TRUE(Eventually([&] { return stuck->counters().delivered == 100; }, kLong));
  auto other = Start({.on_event = [&](const ReceivedEvent& event) {
    log.Add(event);
    return Outcome::Ack();
  }});
  EXPECT_EQ(stuck->Stop(absl::Milliseconds(10)).code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(NoLagIsLeft());
  EXPECT_EQ(log.size(), 100u);
  {
    MutexLock lock(mutex);
    release = true;
  }
  released.NotifyAll();
  EXPECT_EQ(stuck->counters().acked, 0u);
}

TEST_F(SubscriberHubTest, ExtendsLeasesOfSlowHandlers) {
  Create(SubscriptionKind::kQueue, 1, {.ack_deadline = absl::Milliseconds(200)});
  Publish(0, 6, 1);
  Log log;
  auto subscriber = Start({.on_event =
                               [&](const ReceivedEvent& event) {
                                 absl::SleepFor(absl::Milliseconds(300));  // The work.
                                 log.Add(event);
                                 return Outcome::Ack();
                               },
                           .threads = 2});
  ASSERT_TRUE(NoLagIsLeft());
  EXPECT_EQ(log.size(), 6u);
  EXPECT_EQ(Stats().expired_events, 0u);
  EXPECT_GT(subscriber->counters().extensions, 0u);
}

// One thread has a thousand events in flight, which other threads settle in any order. Some events
// are retried, and some settlers are dropped.
TEST_F(SubscriberHubTest, SettlesEventsLaterOnOtherThreads) {
  Create(SubscriptionKind::kQueue, 2);
  Publish(0, 1000, 10);
  Log log;
  Mutex mutex;
  std::vector<std::pair<int64_t, Settler>> in_flight;
  size_t most = 0;
  auto subscriber = Start({.on_event_async =
                               [&](ReceivedEvent event, Settler settler) {
                                 log.Add(event);
                                 MutexLock lock(mutex);
                                 in_flight.emplace_back(event.offset(), std::move(settler));
                                 most = std::max(most, in_flight.size());
                               },
                           .threads = 1});
  ASSERT_TRUE(Eventually(
      [&] {
        MutexLock lock(mutex);
        return in_flight.size() >= 1000;
      },
      kLong));
  std::atomic<bool> stop = false;
  std::vector<std::thread> settlers;
  for (int i = 0; i < 3; ++i) {
    settlers.emplace_back([&, i] {
      std::mt19937 random(i);
      while (!stop) {
        std::pair<int64_t, Settler> event;
        {
          MutexLock lock(mutex);
          if (in_flight.empty()) continue;
          std::swap(in_flight[random() % in_flight.size()], in_flight.back());
          event = std::move(in_flight.back());
          in_flight.pop_back();
        }
        switch (random() % 8) {
          case 0:
            event.second.Retry("again");
            break;
          case 1:
            break;  // Dropped.
          default:
            event.second.Ack();
        }
      }
    });
  }
  EXPECT_TRUE(NoLagIsLeft());
  stop = true;
  for (std::thread& thread : settlers) thread.join();
  EXPECT_GE(most, 1000u);
  EXPECT_GT(log.size(), 1000u);
  EXPECT_EQ(Stats().acked_events, 1000u);
  EXPECT_EQ(subscriber->counters().acked, 1000u);
}

TEST_F(SubscriberHubTest, SeekTakesEffectDuringConsumption) {
  Create(SubscriptionKind::kStream, 2);
  Publish(0, 1000, 10);
  Log log;
  auto subscriber = Start({.on_batch = [&](const EventBatch& batch) {
    log.Add(batch);
    return Outcome::Ack();
  }});
  ASSERT_TRUE(NoLagIsLeft());
  const auto moves = client_.Seek("s", {.start = StartPosition::Earliest()});
  ASSERT_TRUE(moves.ok()) << moves.status();
  EXPECT_EQ(moves->size(), 2u);
  ASSERT_TRUE(Eventually([&] { return log.size() == 2000; }, kLong));
  ASSERT_TRUE(NoLagIsLeft());
}

TEST_F(SubscriberHubTest, ReplayRunsAlongsideLiveEvents) {
  Create(SubscriptionKind::kStream, 1);
  Publish(0, 500, 10);
  Log log;
  auto subscriber = Start({.on_batch = [&](const EventBatch& batch) {
    log.Add(batch);
    return Outcome::Ack();
  }});
  ASSERT_TRUE(NoLagIsLeft());
  const auto replay =
      client_.Replay("s", {.start = StartPosition::Offset(100), .stop_offset = 300});
  ASSERT_TRUE(replay.ok()) << replay.status();
  EXPECT_EQ(replay->events, 200u);
  Publish(500, 1000, 10);
  ASSERT_TRUE(Eventually([&] { return log.size() == 1200; }, kLong));
  ASSERT_TRUE(NoLagIsLeft());
  ASSERT_TRUE(Eventually([&] { return Stats().replay_events == 0; }, kLong));
  EXPECT_EQ(subscriber->counters().lease_lost, 0u);
}

TEST_F(SubscriberHubTest, DeletedSubscriptionEndsSubscriber) {
  Create(SubscriptionKind::kQueue, 1);
  auto subscriber = Start({.on_event = [](const ReceivedEvent&) { return Outcome::Ack(); }});
  ASSERT_TRUE(Eventually([&] { return subscriber->counters().connections == 1; }, kLong));
  ASSERT_TRUE(client_.DeleteSubscription("s").ok());
  EXPECT_EQ(subscriber->Wait(kLong).code(), absl::StatusCode::kNotFound);
}

TEST_F(SubscriberHubTest, CreditAndPauseStopDelivery) {
  Create(SubscriptionKind::kQueue, 1);
  Publish(0, 100, 10);
  Mutex mutex;
  CondVar released;
  bool release = false;
  auto subscriber = Start({.on_event =
                               [&](const ReceivedEvent&) {
                                 MutexLock lock(mutex);
                                 while (!release) released.Wait(mutex);
                                 return Outcome::Ack();
                               },
                           .credit = {.events = 10, .bytes = 1 << 20}});
  ASSERT_TRUE(Eventually([&] { return Stats().in_flight_events == 10; }, kLong));
  subscriber->SetCredit({.events = 30, .bytes = 1 << 20});
  ASSERT_TRUE(Eventually([&] { return subscriber->counters().delivered == 30; }, kLong));
  subscriber->Pause();
  {
    MutexLock lock(mutex);
    release = true;
  }
  released.NotifyAll();
  ASSERT_TRUE(Eventually([&] { return subscriber->counters().acked == 30; }, kLong));
  EXPECT_EQ(subscriber->counters().delivered, 30u);
  subscriber->Resume();
  ASSERT_TRUE(NoLagIsLeft());
}

}  // namespace
}  // namespace eventhub::client
