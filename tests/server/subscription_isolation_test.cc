// QUEUE: the last attempt of an event is isolated if its consumer disconnected without settling it.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_rig.h"

namespace eventhub {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class IsolationTest : public SubscriptionTest {
 protected:
  static constexpr absl::Duration kDeadline = absl::Seconds(10);

  // Two attempts for each event.
  void SetUpSubscription(bool ordered_by_key = false) {
    v1::Subscription queue = Queue();
    queue.set_max_delivery_attempts(2);
    queue.set_ordered_by_key(ordered_by_key);
    *queue.mutable_ack_deadline() = ToProto(kDeadline);
    Create(queue);
  }

  // A consumer receives the events and crashes.
  void Die(const std::vector<std::string>& ids) {
    ASSERT_THAT(rig_.Publish("t", ids), IsOk());
    const auto consumer = rig_.Consume("s", "dying");
    ASSERT_THAT(consumer->Receive(), SizeIs(ids.size()));
  }

  // Two consumers with an event each, and event c, which is to be isolated.
  void SetUpBusyConsumers() {
    SetUpSubscription();
    busy_ = rig_.Consume("s", "busy", /*credit=*/1);
    other_ = rig_.Consume("s", "other", /*credit=*/1);
    ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
    first_ = busy_->Receive(1);
    second_ = other_->Receive(1);
    Die({"c"});
    busy_->SetCredit(10);
    EXPECT_THAT(busy_->Receive(), IsEmpty());
  }

  std::unique_ptr<TestConsumer> busy_;
  std::unique_ptr<TestConsumer> other_;
  std::vector<Received> first_;
  std::vector<Received> second_;
};

TEST_F(IsolationTest, DeliversSuspectsOneAtATime) {
  SetUpSubscription();
  Die({"a", "b", "c"});
  ASSERT_THAT(rig_.Publish("t", {"d"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  for (const char* id : {"a", "b", "c", "d"}) {
    const std::vector<Received> events = consumer->Receive();
    ASSERT_THAT(IdsOf(events), ElementsAre(id));
    EXPECT_EQ(events[0].attempt, *id == 'd' ? 1u : 2u);
    EXPECT_THAT(consumer->Receive(), IsEmpty());
    EXPECT_TRUE(consumer->AckAll(events));
  }
}

TEST_F(IsolationTest, DeadLettersOnlyPoisonEvent) {
  SetUpSubscription();
  Die({"good", "poison", "fine"});
  for (int deaths = 0; rig_.Get("s").stats().lag_events() > 0; rig_.AwaitParking("s")) {
    const auto consumer = rig_.Consume("s", "c");
    for (bool alive = true; alive;) {
      const std::vector<Received> events = consumer->Receive();
      alive = !events.empty() && events[0].id != "poison";
      if (alive) {
        EXPECT_TRUE(consumer->AckAll(events));
      }
    }
    ASSERT_LE(++deaths, 2);
  }
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].event().id(), "poison");
}

TEST_F(IsolationTest, DoesNotIsolateNackedEvents) {
  SetUpSubscription();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  for (const Received& event : consumer->Receive(2)) {
    consumer->Nack(event, v1::Nack::ACTION_RETRY, "", absl::ZeroDuration());
  }
  EXPECT_THAT(consumer->Receive(2), SizeIs(2));
}

// The consumer handles its partitions in parallel: a slow event of one must not be blamed for a
// poisonous event of another.
TEST_F(IsolationTest, IsolatesAcrossPartitionsOfStreamConsumer) {
  v1::Subscription stream = Stream();
  stream.set_max_delivery_attempts(3);
  Create(stream, /*partitions=*/2);
  ASSERT_THAT(rig_.Publish("t", {"poison", "fine"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"slow"}, 1), IsOk());
  for (int ends = 0; rig_.Get("s").stats().dead_lettered_events() == 0; rig_.AwaitParking("s")) {
    const auto consumer = rig_.Consume("s", "c");
    for (bool alive = true; alive;) {
      const std::vector<Received> events = consumer->Receive();
      ASSERT_FALSE(events.empty());
      const auto poisonous = [](const Received& event) { return event.id == "poison"; };
      // It finishes the slow event only if it does not crash meanwhile.
      alive = std::none_of(events.begin(), events.end(), poisonous);
      if (alive) {
        EXPECT_TRUE(consumer->AckAll(events));
      }
    }
    ASSERT_LE(++ends, 4);
  }
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].event().id(), "poison");
}

TEST_F(IsolationTest, PrefersIdleConsumer) {
  SetUpSubscription();
  const auto busy = rig_.Consume("s", "busy", /*credit=*/2);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(busy->Receive(), SizeIs(2));
  Die({"c"});
  busy->SetCredit(10);
  EXPECT_THAT(busy->Receive(), IsEmpty());
  const auto idle = rig_.Consume("s", "idle");
  EXPECT_THAT(IdsOf(idle->Receive()), ElementsAre("c"));
  // Nothing has to wait for it any more.
  ASSERT_THAT(rig_.Publish("t", {"d"}), IsOk());
  EXPECT_THAT(IdsOf(busy->Receive(1)), ElementsAre("d"));
}

TEST_F(IsolationTest, BusyConsumersGetNoNewEventsUntilSuspectIsTaken) {
  SetUpBusyConsumers();
  ASSERT_THAT(rig_.Publish("t", {"d"}), IsOk());
  EXPECT_THAT(busy_->Receive(), IsEmpty());
  other_->SetCredit(2);
  EXPECT_THAT(other_->Receive(), IsEmpty());
  EXPECT_TRUE(busy_->AckAll(first_));
  const std::vector<Received> alone = busy_->Receive();
  EXPECT_THAT(IdsOf(alone), ElementsAre("c"));
  EXPECT_THAT(IdsOf(other_->Receive(1)), ElementsAre("d"));
  EXPECT_TRUE(busy_->AckAll(alone));
  ASSERT_THAT(rig_.Publish("t", {"e"}), IsOk());
  EXPECT_THAT(IdsOf(busy_->Receive(1)), ElementsAre("e"));
}

TEST_F(IsolationTest, EndsAfterAckDeadline) {
  SetUpSubscription();
  const auto busy = rig_.Consume("s", "busy", /*credit=*/1);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const std::vector<Received> first = busy->Receive(1);
  Die({"b", "c"});
  busy->SetCredit(10);
  EXPECT_THAT(busy->Receive(), IsEmpty());
  EXPECT_THAT(rig_.Get("s").findings(),
              Contains("2 events delivered one at a time: this is their last attempt, and their "
                       "consumers disconnected before"));
  busy->Extend(first[0], 10 * kDeadline);
  rig_.Pass(kDeadline / 2);
  EXPECT_THAT(busy->Receive(), IsEmpty());
  rig_.Pass(kDeadline / 2 + absl::Seconds(1));
  EXPECT_THAT(IdsOf(busy->Receive(2)), UnorderedElementsAre("b", "c"));
  EXPECT_TRUE(busy->AckAll(first));
}

TEST_F(IsolationTest, EndsWhenSuspectsAreTrimmed) {
  SetUpSubscription();
  Die({"a", "b"});
  rig_.Pass(absl::Seconds(1));
  rig_.Trim("t", absl::ZeroDuration(), {2});
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_EQ(consumer->said.trimmed_size(), 1);
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("c"));
}

TEST_F(IsolationTest, SeekRedeliversSuspect) {
  SetUpSubscription();
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  {
    const auto consumer = rig_.Consume("s", "c");
    ASSERT_TRUE(consumer->AckAll(consumer->Receive(2)));
  }
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  replay.set_stop_offset(1);
  ASSERT_THAT(rig_.Replay(replay), IsOk());
  rig_.Consume("s", "dying")->Receive(1);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> alone = consumer->Receive(1);
  EXPECT_EQ(alone[0].attempt, 2u);
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_start()->set_latest(true);
  ASSERT_THAT(rig_.Seek(seek), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("a"));
}

TEST_F(IsolationTest, LeavingConsumerDoesNotBlockSuspect) {
  SetUpBusyConsumers();
  busy_->Leave();
  EXPECT_THAT(busy_->Receive(), IsEmpty());
  EXPECT_TRUE(other_->AckAll(second_));
  EXPECT_THAT(IdsOf(other_->Receive()), ElementsAre("c"));
}

TEST_F(IsolationTest, KeepsKeyOrder) {
  SetUpSubscription(/*ordered_by_key=*/true);
  v1::PublishStreamRequest request;
  request.set_topic("t");
  for (const char* id : {"a", "b"}) *request.add_events() = MakeEvent(id, "key", "");
  *request.add_events() = MakeEvent("c", "", "");
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  rig_.Consume("s", "dying")->Receive(2);
  const auto consumer = rig_.Consume("s", "c");
  for (const char* id : {"a", "c", "b"}) {
    const std::vector<Received> events = consumer->Receive();
    ASSERT_THAT(IdsOf(events), ElementsAre(id));
    EXPECT_TRUE(consumer->AckAll(events));
  }
}

}  // namespace
}  // namespace eventhub
