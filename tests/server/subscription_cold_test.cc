// Consumers whose next events are on disk, and changes while these are read.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/events.h"

namespace eventhub {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ColdSubscriptionTest : public SubscriptionTest {
 protected:
  using Step = ConsumerSession::Step;

  void SetUp() override {
    rig_.tail_cache_bytes = 0;
    SubscriptionTest::SetUp();
  }

  // Writes all events to separate files, and damages that of the large ones.
  void Damage() {
    LogStoreOptions options;
    options.directory = rig_.disk.directory() + "/hub";
    options.env = rig_.disk.env();
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<LogStore> store, LogStore::Open(options));
    ASSERT_THAT(store->Reclaim(TopicId(1)), IsOk());
    for (const std::string& file : rig_.disk.Files(options.directory)) {
      if (!absl::EndsWith(file, ".blob")) continue;
      path_ = file;
      sound_ = rig_.disk.ReadFile(file);
      std::string damaged = sound_;
      damaged[damaged.size() / 2] ^= 1;
      rig_.disk.WriteFile(file, damaged);
    }
    ASSERT_FALSE(path_.empty());
  }
  void Repair() { rig_.disk.WriteFile(path_, sound_); }

 private:
  std::string path_;
  std::string sound_;
};

TEST_F(ColdSubscriptionTest, UnreadablePartitionDoesNotBlockOthers) {
  for (const v1::Subscription& subscription : {Stream(), Queue()}) {
    Create(subscription, 2);
    v1::PublishStreamRequest large = MakeRequest("t", {});
    *large.add_events() = MakeEvent("large", "", std::string(100'000, 'x'));
    large.set_partition(1);
    ASSERT_THAT(rig_.BrokerRig::Publish(large), IsOk());
    ASSERT_THAT(rig_.Publish("t", {"a", "b"}, 0), IsOk());
    rig_.Close();
    Damage();
    ASSERT_THAT(rig_.Open(), IsOk());
    {
      const auto consumer = rig_.Consume("s", "c");
      const std::vector<Received> events = consumer->Receive(2);
      EXPECT_THAT(IdsOf(events), ElementsAre("a", "b"));
      EXPECT_THAT(rig_.Get("s").findings(),
                  Contains(HasSubstr("partition 1 cannot be read at offset 0: ")));
      EXPECT_TRUE(consumer->AckAll(events));
      rig_.Pass(absl::Seconds(5));  // Retried without success.
      ASSERT_THAT(rig_.Publish("t", {"c"}, 0), IsOk());
      EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("c"));
      EXPECT_EQ(consumer->caught_up, 0);
    }
    rig_.Close();
    Repair();
    ASSERT_THAT(rig_.Open(), IsOk());
    {
      const auto consumer = rig_.Consume("s", "c");
      EXPECT_THAT(consumer->Receive(2), SizeIs(2));
      EXPECT_THAT(rig_.Get("s").findings(), Not(Contains(HasSubstr("cannot be read"))));
    }
    ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

// One alarm serves all pending times of a subscription: an earlier one does not replace this one.
TEST_F(ColdSubscriptionTest, RetriesReadDespiteEarlierLeaseExpiry) {
  v1::Subscription queue = Queue();
  *queue.mutable_ack_deadline() = ToProto(absl::Seconds(2));
  Create(queue, 2);
  v1::PublishStreamRequest large = MakeRequest("t", {});
  *large.add_events() = MakeEvent("large", "", std::string(100'000, 'x'));
  large.set_partition(1);
  ASSERT_THAT(rig_.BrokerRig::Publish(large), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a"}, 0), IsOk());
  rig_.Close();
  Damage();
  ASSERT_THAT(rig_.Open(), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
  EXPECT_THAT(rig_.Get("s").findings(), Contains(HasSubstr("partition 1 cannot be read")));
  rig_.Pass(absl::Seconds(2));  // The lease of `a` ends before the read is retried.
  const auto other = rig_.Consume("s", "other");
  EXPECT_TRUE(other->AckAll(other->Receive(1)));
  ASSERT_THAT(other->Poll(), IsOk());
  EXPECT_FALSE(other->woken());
  rig_.Pass(absl::Seconds(4));
  EXPECT_TRUE(other->woken());
}

TEST_F(ColdSubscriptionTest, DoesNotAnnounceLeaseMovedDuringRead) {
  SetUpStream(2);
  ASSERT_THAT(rig_.Publish("t", {"a"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"b"}, 1), IsOk());
  const auto first = rig_.Consume("s", "first");
  ConsumeFrame frame;
  ASSERT_EQ(first->session().Poll(&frame).value(), Step::kCold);
  const auto second = rig_.Consume("s", "second");
  first->session().ReadCold(&frame);
  ASSERT_EQ(frame.control.assigned_size(), 1);
  for (const v1::PartitionLease& revoked : frame.control.revoked()) {
    EXPECT_NE(revoked.partition(), frame.control.assigned(0).partition());
  }
  EXPECT_TRUE(frame.control.has_opened());
}

TEST_F(ColdSubscriptionTest, RechecksRateLimitAfterRead) {
  v1::Subscription queue = Queue();
  queue.mutable_rate_limit()->set_events_per_second(2);
  Create(queue, 2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b", "c", "d"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"e", "f"}, 1), IsOk());
  const auto first = rig_.Consume("s", "first");
  EXPECT_THAT(first->Receive(), SizeIs(2));
  rig_.Pass(absl::Seconds(1));
  const auto second = rig_.Consume("s", "second");
  ConsumeFrame of_first;
  ConsumeFrame of_second;
  ASSERT_EQ(first->session().Poll(&of_first).value(), Step::kCold);
  ASSERT_EQ(second->session().Poll(&of_second).value(), Step::kCold);
  second->session().ReadCold(&of_second);
  EXPECT_THAT(of_second.deliveries, SizeIs(1));
  first->session().ReadCold(&of_first);
  EXPECT_THAT(of_first.deliveries, IsEmpty());
  EXPECT_THAT(first->Receive(), IsEmpty());
  rig_.Pass(absl::Seconds(1));
  EXPECT_THAT(first->Receive(), SizeIs(2));
}

// A turn is one frame.
TEST_F(ColdSubscriptionTest, PartitionsTakeTurns) {
  SetUpQueue(3);
  constexpr int kRounds = 5;
  for (uint32_t p = 0; p < 3; ++p) {
    for (int i = 0; i < kRounds; ++i) {
      v1::PublishStreamRequest request = MakeRequest("t", {});
      *request.add_events() = MakeEvent("e", "", std::string(3000, 'x'));
      request.set_partition(p);
      ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
    }
  }
  v1::ConsumeRequest first;
  first.mutable_open()->set_subscription("s");
  first.mutable_open()->set_max_response_bytes(4096);
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<TestConsumer> consumer,
                       TestConsumer::Open(rig_.broker(), first));
  const std::vector<Received> events = consumer->Receive(3 * kRounds);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].partition, i % 3) << i;
    EXPECT_EQ(events[i].offset, static_cast<int64_t>(i / 3)) << i;
  }
}

}  // namespace
}  // namespace eventhub
