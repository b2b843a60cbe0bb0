// Subscriptions under many threads and the real clock. The test checks that no event is lost or
// acked twice, and looks for races, especially under ThreadSanitizer.
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

constexpr uint32_t kPartitions = 3;
constexpr absl::Duration kTime = absl::Milliseconds(700);
constexpr uint64_t kMaxLag = 400;  // Beyond it the publisher waits.
constexpr int kConsumers = 3;
constexpr absl::Duration kDeadline = absl::Milliseconds(100);
constexpr absl::Duration kPatience = absl::Milliseconds(20);
constexpr char kDeleted[] = "deleted";  // Exists at times.
constexpr char kMoved[] = "moved";      // Sought, replayed, redriven.
constexpr char kSteady[] = "steady";    // Only moves forward.

// The random numbers of one thread.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  int64_t Int(int64_t from, int64_t to) {
    return std::uniform_int_distribution<int64_t>(from, to)(random_);
  }
  bool OneIn(int n) { return Int(1, n) == 1; }

 private:
  std::mt19937_64 random_;
};

// How often each event of `steady` was settled, according to the hub's confirmations.
class Ledger {
 public:
  void Note(const std::vector<Received>& events, const v1::Settlement& settlement) {
    // An event may occur twice, if it was delivered under two leases.
    std::multiset<std::pair<uint32_t, int64_t>> refused;
    for (const v1::RefusedRange& range : settlement.refused()) {
      for (int64_t offset = range.range().start(); offset < range.range().end(); ++offset) {
        refused.emplace(range.partition(), offset);
      }
    }
    MutexLock lock(mutex_);
    for (const Received& event : events) ++settled_[{event.partition, event.offset}];
    for (const auto& event : refused) --settled_[event];
  }

  std::map<std::pair<uint32_t, int64_t>, int> Take() {
    MutexLock lock(mutex_);
    return std::move(settled_);
  }

 private:
  Mutex mutex_;
  std::map<std::pair<uint32_t, int64_t>, int> settled_ ABSL_GUARDED_BY(mutex_);
};

v1::OffsetRange RangeOf(const Received& event) {
  v1::OffsetRange range;
  range.set_start(event.offset);
  range.set_end(event.offset + 1);
  return range;
}

v1::ConsumeRequest AcksOf(const std::vector<Received>& events) {
  v1::ConsumeRequest request;
  for (const Received& event : events) {
    v1::Ack& ack = *request.add_acks();
    ack.set_partition(event.partition);
    ack.set_lease_epoch(event.epoch);
    ack.set_exact(true);
    *ack.add_ranges() = RangeOf(event);
  }
  return request;
}

v1::ConsumeRequest NackOf(const Received& event, v1::Nack::Action action) {
  v1::ConsumeRequest request;
  v1::Nack& nack = *request.add_nacks();
  nack.set_partition(event.partition);
  nack.set_lease_epoch(event.epoch);
  nack.set_action(action);
  nack.set_reason("dice");
  *nack.add_ranges() = RangeOf(event);
  return request;
}

struct Sharing {
  const char* name;
  v1::Subscription::Kind kind;
  bool ordered_by_key;
};
std::ostream& operator<<(std::ostream& os, const Sharing& sharing) { return os << sharing.name; }

class SubscriptionThreadsTest : public testing::TestWithParam<Sharing> {
 protected:
  void SetUp() override {
    rig_.real_time = true;
    rig_.tail_cache_bytes = size_t{32} << 10;  // Consumers that are behind read from disk.
    rig_.EnableTrimming();
    ASSERT_THAT(rig_.Open(), IsOk());
    v1::Topic topic;
    topic.set_name("t");
    topic.set_partitions(kPartitions);
    topic.set_default_durability(v1::DURABILITY_WRITTEN);
    topic.mutable_retention()->set_max_bytes(1);
    topic.mutable_retention()->set_keep_until_acked(true);
    ASSERT_THAT(rig_.Create(topic), IsOk());
    ASSERT_THAT(rig_.Subscribe(Settings(kSteady)), IsOk());
    v1::Subscription moved = Settings(kMoved);
    moved.set_max_delivery_attempts(4);
    ASSERT_THAT(rig_.Subscribe(moved), IsOk());
  }

  static v1::Subscription Settings(const std::string& name) {
    v1::Subscription subscription = SubscriptionOf(name, "t", GetParam().kind);
    subscription.set_ordered_by_key(GetParam().ordered_by_key);
    *subscription.mutable_ack_deadline() = ToProto(kDeadline);
    *subscription.mutable_retry_policy()->mutable_min_backoff() = ToProto(absl::ZeroDuration());
    *subscription.mutable_retry_policy()->mutable_max_backoff() = ToProto(kPatience);
    return subscription;
  }

  // Until the time is up.
  void Publish();

  // Opens one consumer after another until the test ends.
  void Consume(int id);
  void Serve(TestConsumer& consumer, const std::string& subscription, Dice& dice);
  void Settle(TestConsumer& consumer, const std::string& subscription,
              const std::vector<Received>& events, Dice& dice);
  // Sends without waiting.
  static void Send(TestConsumer& consumer, v1::ConsumeRequest request);
  // From now on other threads may give credit to this consumer; null: to none.
  void Show(size_t id, std::shared_ptr<TestConsumer> consumer);

  void Administer();
  void AdministerAny(const std::string& subscription, Dice& dice);
  void AdministerMoved(Dice& dice);
  void AdministerLetters(Dice& dice);
  void GiveCredit(Dice& dice);
  void DeleteOne();

  // Settles everything like a well-behaved consumer.
  void Finish(const std::string& subscription);

  SubscriptionRig rig_;
  std::atomic<bool> done_{false};
  size_t published_ = 0;  // Used by the publisher only.
  Ledger ledger_;
  Mutex mutex_;
  std::shared_ptr<TestConsumer> shown_[kConsumers] ABSL_GUARDED_BY(mutex_);
};

void SubscriptionThreadsTest::Publish() {
  Dice dice(1);
  const absl::Time end = absl::Now() + kTime;
  while (absl::Now() < end) {
    v1::PublishStreamRequest request;
    request.set_topic("t");
    request.set_partition(static_cast<uint32_t>(dice.Int(0, kPartitions - 1)));
    for (int64_t i = dice.Int(1, 40); i > 0; --i) {
      const std::string key = dice.OneIn(3) ? "" : absl::StrCat("key ", dice.Int(1, 8));
      *request.add_events() = MakeEvent(absl::StrCat(++published_), key, std::string(200, 'x'));
    }
    EXPECT_THAT(rig_.Publish(request), IsOk());
    EXPECT_TRUE(Eventually(
        [&] { return absl::Now() >= end || rig_.Get(kSteady).stats().lag_events() <= kMaxLag; }));
  }
}

// ---- Consumers

void SubscriptionThreadsTest::Show(size_t id, std::shared_ptr<TestConsumer> consumer) {
  std::shared_ptr<TestConsumer> before = std::move(consumer);
  MutexLock lock(mutex_);
  shown_[id].swap(before);
}

void SubscriptionThreadsTest::Send(TestConsumer& consumer, v1::ConsumeRequest request) {
  static std::atomic<uint64_t> correlation{uint64_t{1} << 32};  // Beyond the numbers of Settle.
  request.set_correlation_id(correlation.fetch_add(1));
  EXPECT_THAT(consumer.session().Take(std::move(request)), IsOk());
}

void SubscriptionThreadsTest::Consume(int id) {
  Dice dice(static_cast<uint64_t>(100 + id));
  while (!done_.load()) {
    const std::string name = dice.OneIn(4) ? kDeleted : dice.OneIn(2) ? kMoved : kSteady;
    v1::ConsumeRequest first;
    first.mutable_open()->set_subscription(name);
    first.mutable_open()->set_consumer(absl::StrCat("consumer ", id));
    first.mutable_open()->set_max_response_bytes(4096);
    first.mutable_credit()->set_events(static_cast<uint32_t>(dice.Int(1, 200)));
    first.mutable_credit()->set_bytes(uint64_t{1} << 20);
    absl::StatusOr<std::unique_ptr<TestConsumer>> opened = TestConsumer::Open(rig_.broker(), first);
    if (!opened.ok()) {
      EXPECT_TRUE(absl::IsNotFound(opened.status()) && name == kDeleted) << opened.status();
      continue;
    }
    const std::shared_ptr<TestConsumer> consumer = *std::move(opened);
    if (name != kDeleted) Show(static_cast<size_t>(id), consumer);
    Serve(*consumer, name, dice);
    consumer->session().Close(Subscription::Ended::kByConsumer);
    Show(static_cast<size_t>(id), nullptr);
  }
}

void SubscriptionThreadsTest::Serve(TestConsumer& consumer, const std::string& subscription,
                                    Dice& dice) {
  for (int64_t round = dice.Int(1, 40); round > 0 && !done_.load(); --round) {
    if (!Eventually([&] { return consumer.woken() || done_.load(); }, kPatience)) continue;
    const absl::Status status = consumer.Poll(static_cast<int>(dice.Int(1, 8)));
    if (!status.ok()) {
      EXPECT_TRUE(absl::IsNotFound(status) && subscription == kDeleted) << status;
      return;
    }
    const std::vector<Received> events(consumer.events.begin(), consumer.events.end());
    consumer.events.clear();
    if (consumer.ended()) return;
    if (events.empty() || dice.OneIn(10)) continue;  // Forgotten events are redelivered.
    if (subscription == kDeleted) {
      Send(consumer, AcksOf(events));
    } else {
      Settle(consumer, subscription, events, dice);
    }
  }
  if (subscription == kDeleted || done_.load() || dice.OneIn(3)) return;
  consumer.session().Leave(/*at_once=*/dice.OneIn(2));
  Eventually([&] { return !consumer.Poll().ok() || consumer.ended(); }, kPatience);
}

void SubscriptionThreadsTest::Settle(TestConsumer& consumer, const std::string& subscription,
                                     const std::vector<Received>& events, Dice& dice) {
  // One event is handled differently from the others.
  std::vector<Received> acked = events;
  const auto odd = acked.begin() + dice.Int(0, static_cast<int64_t>(acked.size()) - 1);
  if (dice.OneIn(4)) {
    v1::ConsumeRequest extend;
    v1::LeaseExtension& extension = *extend.add_extensions();
    extension.set_partition(odd->partition);
    extension.set_lease_epoch(odd->epoch);
    Send(consumer, std::move(extend));
  }
  if (dice.OneIn(3)) {
    const bool may_park = subscription == kMoved;
    const v1::Nack::Action action =
        may_park && dice.OneIn(3) ? v1::Nack::ACTION_PARK : v1::Nack::ACTION_RETRY;
    Send(consumer, NackOf(*odd, action));
    acked.erase(odd);
  } else if (dice.OneIn(5)) {
    const std::vector<Received> skipped{*odd};
    const v1::Settlement settlement = consumer.Settle(NackOf(*odd, v1::Nack::ACTION_SKIP));
    if (subscription == kSteady) ledger_.Note(skipped, settlement);
    acked.erase(odd);
  }
  if (acked.empty() || consumer.ended()) return;
  const v1::Settlement settlement = consumer.Settle(AcksOf(acked));
  if (subscription == kSteady) ledger_.Note(acked, settlement);
}

// ---- Administration

void SubscriptionThreadsTest::Administer() {
  Dice dice(2);
  while (!done_.load()) {
    AdministerAny(dice.OneIn(2) ? kMoved : kSteady, dice);
    AdministerMoved(dice);
    AdministerLetters(dice);
    GiveCredit(dice);
    if (dice.OneIn(4)) DeleteOne();
  }
  for (const char* name : {kMoved, kSteady}) {
    v1::Subscription settings = Settings(name);
    *settings.mutable_ack_deadline() = ToProto(absl::Minutes(1));
    const std::vector<std::string> mask{"paused", "rate_limit", "ack_deadline"};
    EXPECT_THAT(rig_.UpdateSubscription(settings, mask), IsOk());
  }
}

void SubscriptionThreadsTest::AdministerAny(const std::string& subscription, Dice& dice) {
  v1::Subscription settings = Settings(subscription);
  settings.set_paused(dice.OneIn(4));
  settings.mutable_rate_limit()->set_events_per_second(dice.OneIn(4) ? 1000 : 0);
  *settings.mutable_ack_deadline() = ToProto(kDeadline * dice.Int(1, 3));
  const std::vector<std::string> mask{"paused", "rate_limit", "ack_deadline"};
  EXPECT_THAT(rig_.UpdateSubscription(settings, mask), IsOk());
  rig_.Get(subscription);
  EXPECT_THAT(rig_.subscriptions().List(kTester, {}), IsOk());
}

void SubscriptionThreadsTest::AdministerMoved(Dice& dice) {
  const std::string snapshot = absl::StrCat("snapshot", dice.Int(1, 3));
  v1::SeekSubscriptionRequest seek;
  seek.set_name(kMoved);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name(kMoved);
  replay.mutable_start()->set_earliest(true);
  switch (dice.Int(0, 7)) {
    case 0:
      seek.mutable_start()->set_earliest(true);
      seek.set_dry_run(dice.OneIn(2));
      EXPECT_THAT(rig_.Seek(seek), IsOk());
      break;
    case 1:
      seek.mutable_start()->set_latest(true);
      EXPECT_THAT(rig_.Seek(seek), IsOk());
      break;
    case 2:
      replay.set_dry_run(dice.OneIn(2));
      EXPECT_THAT(rig_.Replay(replay), IsOk());
      break;
    case 3:
      EXPECT_THAT(rig_.CancelReplays(kMoved), IsOk());
      break;
    case 4:
      rig_.CreateSnapshot(kMoved, snapshot).IgnoreError();  // May exist.
      break;
    case 5:
      seek.set_snapshot(snapshot);
      rig_.Seek(seek).IgnoreError();  // May not exist.
      break;
    case 6:
      rig_.DeleteSnapshot(kMoved, snapshot).IgnoreError();
      break;
    default:
      EXPECT_THAT(rig_.subscriptions().snapshots().List(kTester, kMoved), IsOk());
  }
}

void SubscriptionThreadsTest::AdministerLetters(Dice& dice) {
  if (dice.OneIn(2)) {
    rig_.DeadLetters(kMoved);
  } else if (dice.OneIn(2)) {
    v1::RedriveDeadLettersRequest redrive;
    redrive.set_subscription(kMoved);
    redrive.mutable_selector();
    EXPECT_THAT(rig_.Redrive(redrive), IsOk());
  } else {
    v1::DiscardDeadLettersRequest discard;
    discard.set_subscription(kMoved);
    discard.mutable_selector();
    EXPECT_THAT(rig_.Discard(discard), IsOk());
  }
}

// As the network's reading thread does, in parallel to the writing one.
void SubscriptionThreadsTest::GiveCredit(Dice& dice) {
  std::shared_ptr<TestConsumer> consumer;
  {
    MutexLock lock(mutex_);
    consumer = shown_[static_cast<size_t>(dice.Int(0, kConsumers - 1))];
  }
  if (consumer == nullptr) return;
  consumer->session().Overloaded();
  if (dice.OneIn(5)) {
    consumer->Leave();
  } else {
    consumer->SetCredit(static_cast<uint32_t>(dice.Int(0, 300)));
  }
}

void SubscriptionThreadsTest::DeleteOne() {
  EXPECT_THAT(rig_.Subscribe(Settings(kDeleted)), IsOk());
  const std::unique_ptr<TestConsumer> consumer = rig_.Consume(kDeleted, "last", 10);
  EXPECT_THAT(consumer->Poll(), IsOk());
  EXPECT_THAT(rig_.DeleteSubscription(kDeleted), IsOk());
  EXPECT_THAT(consumer->PollAnyway(), StatusIs(absl::StatusCode::kNotFound));
}

// ---- The end

void SubscriptionThreadsTest::Finish(const std::string& subscription) {
  const std::unique_ptr<TestConsumer> consumer = rig_.Consume(subscription, "finisher");
  EXPECT_TRUE(Eventually([&] {
    const std::vector<Received> events = consumer->Receive();
    if (!events.empty()) {
      const v1::Settlement settlement = consumer->Settle(AcksOf(events));
      if (subscription == kSteady) ledger_.Note(events, settlement);
      return false;
    }
    const v1::SubscriptionStats stats = rig_.Get(subscription).stats();
    return stats.lag_events() == 0 && stats.replay_events() == 0;
  })) << rig_.Get(subscription).DebugString();
}

TEST_P(SubscriptionThreadsTest, SettlesEachEventExactlyOnce) {
  std::vector<std::thread> threads;
  for (int id = 0; id < kConsumers; ++id) threads.emplace_back([this, id] { Consume(id); });
  threads.emplace_back([this] { Administer(); });
  Publish();
  done_.store(true);
  for (std::thread& thread : threads) thread.join();
  Finish(kMoved);
  Finish(kSteady);

  EXPECT_EQ(rig_.Get(kSteady).stats().lost_events(), 0);
  const std::map<std::pair<uint32_t, int64_t>, int> settled = ledger_.Take();
  EXPECT_EQ(settled.size(), published_);
  for (const auto& [event, times] : settled) {
    EXPECT_EQ(times, 1) << event.first << "/" << event.second;
  }
  EXPECT_THAT(rig_.background_errors(), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(All, SubscriptionThreadsTest,
                         testing::Values(Sharing{"Stream", v1::Subscription::KIND_STREAM, false},
                                         Sharing{"Queue", v1::Subscription::KIND_QUEUE, false},
                                         Sharing{"Keys", v1::Subscription::KIND_QUEUE, true}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace eventhub
