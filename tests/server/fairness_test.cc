// Everything that waits for a subscription is served within a bound, whatever else is pending and
// however consumers connect and disconnect: partitions, live events besides replays, and events
// besides failing ones.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using testing::SizeIs;

enum class Mode { kStream, kQueue, kOrderedByKey };

// Everything from memory, or everything from the disk.
class FairnessTest : public testing::TestWithParam<std::tuple<Mode, bool>> {
 public:
  static std::string NameOf(const testing::TestParamInfo<ParamType>& info) {
    const char* const names[] = {"Stream", "Queue", "OrderedByKey"};
    const auto& [mode, cold] = info.param;
    return absl::StrCat(names[static_cast<int>(mode)], cold ? "FromDisk" : "FromMemory");
  }

 protected:
  void SetUp() override {
    if (cold()) rig_.tail_cache_bytes = 0;
    ASSERT_THAT(rig_.Open(), IsOk());
  }

  Mode mode() const { return std::get<0>(GetParam()); }
  bool cold() const { return std::get<1>(GetParam()); }

  void Create(uint32_t partitions) {
    ASSERT_THAT(rig_.Create("t", partitions), IsOk());
    v1::Subscription subscription = SubscriptionOf(
        "s", "t",
        mode() == Mode::kStream ? v1::Subscription::KIND_STREAM : v1::Subscription::KIND_QUEUE);
    subscription.set_ordered_by_key(mode() == Mode::kOrderedByKey);
    ASSERT_THAT(rig_.Subscribe(subscription), IsOk());
  }

  // Each event has its own key and commit.
  void Publish(uint32_t partition, int events) {
    for (int i = 0; i < events; ++i) {
      v1::PublishStreamRequest request = MakeRequest("t", {});
      *request.add_events() = MakeEvent("e", absl::StrCat("key ", i));
      request.set_partition(partition);
      ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
    }
  }

  SubscriptionRig rig_;
};

INSTANTIATE_TEST_SUITE_P(All, FairnessTest,
                         testing::Combine(testing::Values(Mode::kStream, Mode::kQueue,
                                                          Mode::kOrderedByKey),
                                          testing::Bool()),
                         FairnessTest::NameOf);

// Of P partitions with events, each is served once by P successive consumers that take little.
TEST_P(FairnessTest, SuccessiveConsumersServePartitionsInTurn) {
  constexpr uint32_t kPartitions = 4;
  constexpr int kRounds = 3;
  Create(kPartitions);
  for (uint32_t p = 0; p < kPartitions; ++p) Publish(p, 2 * kRounds);
  for (int round = 0; round < kRounds; ++round) {
    std::set<uint32_t> served;
    for (uint32_t visit = 0; visit < kPartitions; ++visit) {
      const auto consumer = rig_.Consume("s", "c", /*credit=*/2);
      const std::vector<Received> events = consumer->Receive(2);
      for (const Received& event : events) served.insert(event.partition);
      consumer->SetCredit(0);
      EXPECT_TRUE(consumer->AckAll(events));
    }
    EXPECT_THAT(served, SizeIs(kPartitions)) << "round " << round;
  }
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
}

// Consumers that crash on their events do not serve only the first partitions either.
TEST_P(FairnessTest, CrashingConsumersServePartitionsInTurn) {
  constexpr uint32_t kPartitions = 4;
  Create(kPartitions);
  for (uint32_t p = 0; p < kPartitions; ++p) Publish(p, 10);
  for (int round = 0; round < 3; ++round) {
    std::set<uint32_t> served;
    for (uint32_t visit = 0; visit < kPartitions; ++visit) {
      const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
      for (const Received& event : consumer->Receive(1)) served.insert(event.partition);
    }
    EXPECT_THAT(served, SizeIs(kPartitions)) << "round " << round;
  }
}

// Each start of the hub begins with another partition: P starts serve all of them, even if each
// serves only one event.
TEST_P(FairnessTest, SuccessiveStartsServePartitionsInTurn) {
  constexpr uint32_t kPartitions = 4;
  Create(kPartitions);
  for (uint32_t p = 0; p < kPartitions; ++p) Publish(p, 4);
  std::set<uint32_t> served;
  for (uint32_t start = 0; start < kPartitions; ++start) {
    rig_.Close();
    ASSERT_THAT(rig_.Open(), IsOk());
    const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
    for (const Received& event : consumer->Receive(1)) served.insert(event.partition);
    consumer->session().Close(Subscription::Ended::kByHub);
  }
  EXPECT_THAT(served, SizeIs(kPartitions));
}

// While both exist, of two frames of a partition one is live and one replayed.
TEST_P(FairnessTest, LiveEventsAndReplaysTakeTurns) {
  constexpr int kEvents = 10;
  Create(1);
  Publish(0, kEvents);
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_TRUE(consumer->AckAll(consumer->Receive(kEvents)));
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  consumer->SetCredit(0);
  Publish(0, kEvents);
  int replayed = 0;
  for (int i = 1; i <= 2 * kEvents; ++i) {
    consumer->SetCredit(1);
    const std::vector<Received> events = consumer->Receive(1);
    consumer->SetCredit(0);
    ASSERT_THAT(events, SizeIs(1));
    if (events[0].offset < kEvents) ++replayed;
    EXPECT_LE(std::abs(2 * replayed - i), 2) << "of " << i << " events";
    EXPECT_TRUE(consumer->AckAll(events));
  }
}

// An event that keeps failing at once delays no other event of a QUEUE. (In a STREAM it does, by
// definition.)
TEST_P(FairnessTest, FailingEventDoesNotDelayUndeliveredEvents) {
  if (mode() == Mode::kStream) return;
  constexpr int kEvents = 10;
  Create(1);
  Publish(0, kEvents);
  const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
  std::set<int64_t> acked;
  for (int i = 0; i < 2 * kEvents; ++i) {
    const std::vector<Received> events = consumer->Receive(1);
    ASSERT_THAT(events, SizeIs(1));
    if (events[0].offset == 0) {
      consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "", absl::ZeroDuration());
    } else {
      EXPECT_TRUE(consumer->AckAll(events));
      acked.insert(events[0].offset);
    }
  }
  EXPECT_THAT(acked, SizeIs(kEvents - 1));
}

// Subscriptions of topics with the same names, with one topic for all their dead letters.
class ParkingFairness : public testing::Test {
 protected:
  static constexpr uint32_t kEvents = 10'000;

  void SetUp() override {
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("letters"), IsOk());
  }
  void TearDown() override { rig_.disk.ReleaseSyncs(); }

  // Its consumer receives `events` events, whose ids are the name.
  std::unique_ptr<TestConsumer> Create(const std::string& name, uint32_t events) {
    EXPECT_THAT(rig_.Create(name), IsOk());
    v1::Subscription queue = SubscriptionOf(name, name, v1::Subscription::KIND_QUEUE);
    queue.set_dead_letter_topic("letters");
    EXPECT_THAT(rig_.Subscribe(queue), IsOk());
    EXPECT_THAT(rig_.Publish(name, std::vector<std::string>(events, name)), IsOk());
    return rig_.Consume(name, "c", events);
  }
  static void ParkAll(TestConsumer& consumer, size_t events) {
    const std::vector<Received> received = consumer.Receive(events);
    ASSERT_THAT(received, SizeIs(events));
    v1::ConsumeRequest request;
    v1::Nack& nack = *request.add_nacks();
    nack.set_action(v1::Nack::ACTION_PARK);
    nack.set_lease_epoch(received[0].epoch);
    nack.add_ranges()->set_end(static_cast<int64_t>(events));
    ASSERT_THAT(consumer.session().Take(std::move(request)), IsOk());
  }
  uint64_t Dead(const std::string& name) { return rig_.Get(name).stats().dead_lettered_events(); }
  // The number in commits that are not visible.
  int64_t UnderWay(const std::string& name) {
    return rig_.subscriptions().catalog().Find(name)->MakeReport().cursors[0].counts.settling;
  }

  SubscriptionRig rig_;
};

// Events given up by one subscription, however many, do not delay the dead letters of another.
TEST_F(ParkingFairness, SubscriptionsTakeTurns) {
  const auto many = Create("many", kEvents);
  const auto one = Create("one", 1);
  rig_.disk.HoldSyncs();  // So that both begin together.
  ParkAll(*many, kEvents);
  ParkAll(*one, 1);
  rig_.disk.ReleaseSyncs();
  ASSERT_TRUE(Eventually([&] { return Dead("many") == kEvents && Dead("one") == 1; }));
  ASSERT_OK_AND_ASSIGN(const Delivered letters, rig_.Read("letters"));
  const std::vector<std::string> ids = letters.Ids(0);
  ASSERT_EQ(ids.size(), size_t{kEvents + 1});
  // A few pieces of 1,000; otherwise it would be behind all of them.
  EXPECT_LE(std::find(ids.begin(), ids.end(), "one") - ids.begin(), 5'000);
}

// However long commits take, and however many subscriptions park events.
TEST_F(ParkingFairness, LimitsConcurrentBatches) {
  const std::map<std::string, uint32_t> events = {{"a", 1}, {"b", 3'000}, {"c", 1}};
  std::vector<std::unique_ptr<TestConsumer>> consumers;
  for (const auto& [name, count] : events) {
    consumers.push_back(Create(name, count));
    v1::Subscription once = SubscriptionOf(name, name, v1::Subscription::KIND_QUEUE);
    once.set_max_delivery_attempts(1);
    ASSERT_THAT(rig_.UpdateSubscription(once, {"max_delivery_attempts"}), IsOk());
    ASSERT_THAT(consumers.back()->Receive(count), SizeIs(count));
  }
  rig_.disk.HoldSyncs();
  rig_.Pass(absl::Seconds(30));  // All leases end.
  std::vector<int64_t> under_way;
  ASSERT_TRUE(Eventually([&] {
    under_way.clear();
    for (const auto& [name, count] : events) {
      const int64_t parked = UnderWay(name);
      if (parked > 0) under_way.push_back(parked);
    }
    return under_way.size() >= ParkingQueue::kPieces;
  }));
  EXPECT_THAT(under_way, SizeIs(ParkingQueue::kPieces));
  EXPECT_THAT(under_way, testing::Each(testing::Le(1'000)));
  rig_.disk.ReleaseSyncs();
  for (const auto& [name, count] : events) {
    EXPECT_TRUE(Eventually([&] { return Dead(name) == count; }));
  }
}

}  // namespace
}  // namespace eventhub
