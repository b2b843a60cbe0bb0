// Events that lie scattered over the log (after acks out of order, redrives, retries) share frames
// and reads.
#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/subscription/dispatch/fetch_turn.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/events.h"

namespace eventhub {
namespace {

using testing::Each;
using testing::Field;
using testing::SizeIs;

enum class ScatterMode { kStream, kQueue, kOrderedByKey };

// Everything from memory, or everything from the disk.
class ScatteredDeliveryTest : public SubscriptionTest,
                              public testing::WithParamInterface<std::tuple<ScatterMode, bool>> {
 public:
  static std::string NameOf(const testing::TestParamInfo<ParamType>& info) {
    const char* const names[] = {"Stream", "Queue", "OrderedByKey"};
    const auto& [mode, cold] = info.param;
    return absl::StrCat(names[static_cast<int>(mode)], cold ? "FromDisk" : "FromMemory");
  }

 protected:
  static constexpr int kBatches = 10;
  static constexpr int kBatchEvents = 100;
  static constexpr int kEvents = kBatches * kBatchEvents;
  // The number of frames that all events need at most, whatever their order, and with notices.
  static constexpr int kFrames = 5;

  void SetUp() override {
    if (cold()) rig_.tail_cache_bytes = 0;
    SubscriptionTest::SetUp();
    v1::Subscription subscription = mode() == ScatterMode::kStream ? Stream() : Queue();
    subscription.set_ordered_by_key(mode() == ScatterMode::kOrderedByKey);
    Create(subscription);
    for (int batch = 0; batch < kBatches; ++batch) {
      v1::PublishStreamRequest request = MakeRequest("t", {});
      for (int i = 0; i < kBatchEvents; ++i) {
        const std::string id = absl::StrCat(batch * kBatchEvents + i);
        *request.add_events() = MakeEvent(id, absl::StrCat("key ", id));
      }
      ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
    }
  }

  ScatterMode mode() const { return std::get<0>(GetParam()); }
  bool cold() const { return std::get<1>(GetParam()); }
  uint64_t Reads() { return rig_.broker().GetStats(kTester).cold_reads(); }

  // Settles every second event.
  static void AckEven(TestConsumer& consumer, const std::vector<Received>& events) {
    v1::ConsumeRequest request;
    v1::Ack& ack = *request.add_acks();
    ack.set_lease_epoch(events.front().epoch);
    ack.set_exact(true);
    for (const Received& event : events) {
      if (event.offset % 2 != 0) continue;
      ack.add_ranges()->set_start(event.offset);
      ack.mutable_ranges()->rbegin()->set_end(event.offset + 1);
    }
    EXPECT_THAT(RefusedOffsets(consumer.Settle(std::move(request))), SizeIs(0));
  }

  // Receives the odd events with a new consumer.
  std::unique_ptr<TestConsumer> ReceiveOdd(std::vector<Received>* events) {
    const uint64_t before = Reads();
    std::unique_ptr<TestConsumer> consumer = rig_.Consume("s", "other");
    *events = consumer->Receive(kEvents / 2);
    EXPECT_THAT(*events, SizeIs(kEvents / 2));
    for (size_t i = 0; i < events->size(); ++i) {
      EXPECT_EQ((*events)[i].offset, static_cast<int64_t>(2 * i + 1));
      EXPECT_EQ((*events)[i].id, absl::StrCat(2 * i + 1));
    }
    EXPECT_LE(consumer->frames, kFrames);
    EXPECT_LE(Reads() - before, cold() ? uint64_t{kBatches + kFrames} : 0u);
    return consumer;
  }
};

INSTANTIATE_TEST_SUITE_P(All, ScatteredDeliveryTest,
                         testing::Combine(testing::Values(ScatterMode::kStream, ScatterMode::kQueue,
                                                          ScatterMode::kOrderedByKey),
                                          testing::Bool()),
                         ScatteredDeliveryTest::NameOf);

TEST_P(ScatteredDeliveryTest, EventsBetweenAckedOnes) {
  {
    const auto consumer = rig_.Consume("s", "c");
    AckEven(*consumer, consumer->Receive(kEvents));
    consumer->session().Close(Subscription::Ended::kByHub);
  }
  std::vector<Received> events;
  const auto consumer = ReceiveOdd(&events);
  EXPECT_THAT(events, Each(Field(&Received::attempt, 1u)));
  EXPECT_TRUE(consumer->AckAll(events));
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
}

TEST_P(ScatteredDeliveryTest, ReplayedEventsBetweenAckedOnes) {
  {
    const auto consumer = rig_.Consume("s", "c");
    EXPECT_TRUE(consumer->AckAll(consumer->Receive(kEvents)));
    v1::ReplaySubscriptionRequest replay;
    replay.set_name("s");
    replay.mutable_start()->set_earliest(true);
    ASSERT_THAT(rig_.Replay(replay), IsOk());
    AckEven(*consumer, consumer->Receive(kEvents));
    consumer->session().Close(Subscription::Ended::kByHub);
  }
  std::vector<Received> events;
  const auto consumer = ReceiveOdd(&events);
  EXPECT_TRUE(consumer->AckAll(events));
  EXPECT_EQ(rig_.Get("s").stats().replay_events(), 0u);
}

// Redriven events are delivered from the log and, after retention removed them, from their dead
// letters.
TEST_P(ScatteredDeliveryTest, RedrivenEvents) {
  for (const bool trimmed : {false, true}) {
    std::vector<Received> events;
    if (!trimmed) {
      const auto consumer = rig_.Consume("s", "c");
      events = consumer->Receive(kEvents);
      AckEven(*consumer, events);
      v1::ConsumeRequest request;
      v1::Nack& nack = *request.add_nacks();
      nack.set_action(v1::Nack::ACTION_PARK);
      nack.set_lease_epoch(events.front().epoch);
      for (int64_t odd = 1; odd < kEvents; odd += 2) {
        nack.add_ranges()->set_start(odd);
        nack.mutable_ranges()->rbegin()->set_end(odd + 1);
      }
      ASSERT_THAT(RefusedOffsets(consumer->Settle(std::move(request))), SizeIs(0));
      rig_.AwaitParking("s");
    }
    v1::RedriveDeadLettersRequest redrive;
    redrive.set_subscription("s");
    redrive.mutable_selector();
    if (trimmed) {
      rig_.clock.Advance(absl::Seconds(1));
      rig_.Trim("t", absl::ZeroDuration(), {kEvents});
    } else {
      ASSERT_EQ(rig_.Redrive(redrive).value().events(), uint64_t{kEvents / 2});
    }
    const auto consumer = ReceiveOdd(&events);
    // The consumer is lost: they come again.
    consumer->session().Close(Subscription::Ended::kByHub);
  }
}

// A page of dead letters reads each batch once.
TEST_P(ScatteredDeliveryTest, ListedDeadLetters) {
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(kEvents);
  v1::ConsumeRequest request;
  v1::Nack& nack = *request.add_nacks();
  nack.set_action(v1::Nack::ACTION_PARK);
  nack.set_lease_epoch(events.front().epoch);
  nack.add_ranges()->set_end(kEvents);
  ASSERT_THAT(RefusedOffsets(consumer->Settle(std::move(request))), SizeIs(0));
  rig_.AwaitParking("s");
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_THAT(letters, SizeIs(kEvents));
  for (size_t i = 0; i < letters.size(); ++i) {
    EXPECT_EQ(letters[i].event().id(), absl::StrCat(letters[i].source_offset())) << i;
  }
}

// A consumer with small batches on disk does not keep a thread of the disk pool.
class FetchTurnTest : public SubscriptionTest {};

TEST_F(FetchTurnTest, ReadsLimitedNumberOfBatches) {
  constexpr int kBatches = static_cast<int>(FetchTurn::kMaxReads) + 200;
  rig_.Close();
  rig_.tail_cache_bytes = 0;
  ASSERT_THAT(rig_.Open(), IsOk());
  SetUpQueue();
  v1::PublishStreamRequest request = MakeRequest("t", {"e"});
  request.set_durability(v1::DURABILITY_WRITTEN);
  for (int i = 0; i < kBatches; ++i) ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  const auto consumer = rig_.Consume("s", "c", /*credit=*/2 * kBatches);
  ConsumeFrame frame;
  ASSERT_EQ(consumer->session().Poll(&frame).value(), ConsumerSession::Step::kCold);
  consumer->session().ReadCold(&frame);
  EXPECT_EQ(rig_.broker().GetStats(kTester).cold_reads(), FetchTurn::kMaxReads);
  size_t events = 0;
  for (const Delivery& delivery : frame.deliveries) events += delivery.count;
  EXPECT_EQ(events, FetchTurn::kMaxReads);
}

TEST(FetchTurn, EndsWithBytesReadsOrTime) {
  FakeClock clock;
  BatchHeader batch;
  batch.bytes = 1000;
  {
    FetchTurn turn(clock, 2500, 100);
    EXPECT_TRUE(turn.Take(batch, true));
    EXPECT_TRUE(turn.Take(batch, true));
    EXPECT_FALSE(turn.over());
    EXPECT_TRUE(turn.Take(batch, false)) << "is skipped: cheap";
    EXPECT_FALSE(turn.Take(batch, true));
    EXPECT_TRUE(turn.over());
    EXPECT_EQ(turn.reads(), 2u);
  }
  {
    FetchTurn turn(clock, 1, 100);
    EXPECT_TRUE(turn.Take(batch, true)) << "the first one";
    EXPECT_FALSE(turn.Take(batch, true));
  }
  {
    FetchTurn turn(clock, 1 << 30, 100);
    EXPECT_TRUE(turn.Take(batch, true));
    clock.Advance(FetchTurn::kMaxTime);
    EXPECT_TRUE(turn.over());
    EXPECT_FALSE(turn.Take(batch, false));
  }
  {
    FetchTurn turn(clock, 1 << 30, 100);
    clock.Advance(FetchTurn::kMaxTime);
    EXPECT_TRUE(turn.Take(batch, true)) << "the first one";
  }
  FetchTurn turn(clock, 1 << 30, 100);
  turn.NoteMatched(60);
  EXPECT_EQ(turn.work_left(), 40u);
  turn.NoteMatched(60);
  EXPECT_TRUE(turn.over());
}

}  // namespace
}  // namespace eventhub
