// Replays of events that the log does not have any more: they come from the lake, go on in the log,
// and behave like other replays.
//
// The seed is printed; EVENTHUB_TEST_SEED and EVENTHUB_TEST_STEPS repeat or extend a run.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"
#include "server/core/subscription/dispatch/history_reads.h"
#include "tests/server/history_fixture.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using v1::ErrorDetail;

v1::ReplaySubscriptionRequest ReplayOf(const std::string& subscription) {
  v1::ReplaySubscriptionRequest request;
  request.set_name(subscription);
  request.mutable_start()->set_earliest(true);
  return request;
}

class HistoryReplayTest : public HistoryFixture {
 protected:
  // Topic t with its subscription s, whose consumer has settled all of these events.
  void SetUpHandled(v1::Subscription::Kind kind, const std::vector<std::string>& ids) {
    Create("t");
    ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", kind)), IsOk());
    ASSERT_THAT(rig_.Publish("t", ids), IsOk());
    HandleAll(ids.size());
  }
  void SetUpBuried(v1::Subscription::Kind kind, const std::vector<std::string>& ids) {
    SetUpHandled(kind, ids);
    Bury();
  }

  void HandleAll(size_t count) {
    const auto consumer = rig_.Consume("s", "c");
    ASSERT_TRUE(consumer->AckAll(consumer->Receive(count)));
    AwaitSettled();
  }
  void AwaitSettled() {
    ASSERT_TRUE(Eventually([&] {
      const v1::SubscriptionStats stats = Stats();
      return stats.lag_events() == 0 && stats.replay_events() == 0;
    }));
  }

  uint64_t Replay(const v1::ReplaySubscriptionRequest& request = ReplayOf("s")) {
    const auto replayed = rig_.Replay(request);
    EXPECT_THAT(replayed, IsOk());
    return replayed.ok() ? replayed->events() : 0;
  }
  v1::SubscriptionStats Stats() { return rig_.Get("s").stats(); }
  std::vector<std::string> Findings() {
    const v1::GetSubscriptionResponse response = rig_.Get("s");
    return {response.findings().begin(), response.findings().end()};
  }
};

class EachKindReplayTest : public HistoryReplayTest,
                           public testing::WithParamInterface<v1::Subscription::Kind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, EachKindReplayTest,
                         testing::Values(v1::Subscription::KIND_QUEUE,
                                         v1::Subscription::KIND_STREAM),
                         [](const auto& info) {
                           return info.param == v1::Subscription::KIND_QUEUE ? "Queue" : "Stream";
                         });

TEST_P(EachKindReplayTest, BeginsInTheLakeAndGoesOnInTheLog) {
  SetUpBuried(GetParam(), {"a", "b", "c"});
  ASSERT_THAT(rig_.Publish("t", {"d"}), IsOk());
  HandleAll(1);
  v1::ReplaySubscriptionRequest request = ReplayOf("s");
  request.set_dry_run(true);
  EXPECT_EQ(Replay(request), 4u);
  EXPECT_EQ(Stats().replay_events(), 0u);
  EXPECT_EQ(Replay(), 4u);
  ASSERT_THAT(rig_.Publish("t", {"e"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> received = consumer->Receive(5);
  std::vector<std::string> replayed;
  std::vector<std::string> live;
  for (const Received& event : received) (event.replayed ? replayed : live).push_back(event.id);
  EXPECT_THAT(replayed, ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(live, ElementsAre("e"));
  EXPECT_EQ(Stats().replay_events(), 4u);  // Until they are settled.
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
  EXPECT_EQ(Stats().lost_events(), 0u);
  EXPECT_TRUE(consumer->said.trimmed().empty());
}

TEST_P(EachKindReplayTest, SurvivesARestart) {
  SetUpBuried(GetParam(), {"a", "b", "c"});
  EXPECT_EQ(Replay(), 3u);
  for (const char* id : {"a", "b"}) {
    auto consumer = rig_.Consume("s", "c", /*credit=*/1);
    const std::vector<Received> received = consumer->Receive(1);
    EXPECT_EQ(received[0].id, id);
    EXPECT_TRUE(received[0].replayed);
    EXPECT_TRUE(consumer->AckAll(received));
    consumer.reset();
    Restart();
  }
  EXPECT_EQ(Stats().replay_events(), 1u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> rest = consumer->Receive(1);
  EXPECT_THAT(IdsOf(rest), ElementsAre("c"));
  EXPECT_TRUE(consumer->AckAll(rest));
  AwaitSettled();
}

TEST_P(EachKindReplayTest, WaitsForTheLakeWithoutDelayingLiveEvents) {
  SetUpBuried(GetParam(), {"a", "b"});
  EXPECT_EQ(Replay(), 2u);
  failing_->Fail(LakeUnavailable("t", "no route to the lake"));
  const auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_TRUE(Eventually([&] { return !Findings().empty(); }));
  ASSERT_TRUE(Eventually([&] {
    const std::vector<std::string> findings = Findings();
    return testing::Value(findings, Contains(HasSubstr("no route to the lake")));
  }));
  EXPECT_THAT(Findings(), Contains(HasSubstr("partition 0 cannot be replayed at offset 0")));
  ASSERT_THAT(rig_.Publish("t", {"live"}), IsOk());
  const std::vector<Received> live = consumer->Receive(1);
  EXPECT_THAT(IdsOf(live), ElementsAre("live"));
  EXPECT_TRUE(consumer->AckAll(live));
  EXPECT_EQ(Stats().replay_events(), 2u);
  failing_->Fail(absl::OkStatus());
  rig_.Pass(absl::Seconds(5));
  const std::vector<Received> replayed = consumer->Receive(2);
  EXPECT_THAT(IdsOf(replayed), ElementsAre("a", "b"));
  EXPECT_TRUE(consumer->AckAll(replayed));
  AwaitSettled();
  EXPECT_THAT(Findings(), testing::Not(Contains(HasSubstr("cannot be replayed"))));
}

TEST_P(EachKindReplayTest, CanBeCancelled) {
  SetUpBuried(GetParam(), {"a", "b", "c"});
  EXPECT_EQ(Replay(), 3u);
  const auto consumer = rig_.Consume("s", "c", /*credit=*/1);
  const std::vector<Received> received = consumer->Receive(1);
  const auto cancelled = rig_.CancelReplays("s");
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->events(), 2u);
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
  ASSERT_THAT(rig_.Publish("t", {"d"}), IsOk());
  EXPECT_THAT(IdsOf(consumer->Receive(1)), ElementsAre("d"));
}

// Retention removes the events of a replay that nobody has received.
TEST_P(EachKindReplayTest, ThatRetentionOvertakesGoesOnInTheLake) {
  SetUpHandled(GetParam(), {"a", "b"});
  EXPECT_EQ(Replay(), 2u);
  Bury();
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> received = consumer->Receive(2);
  EXPECT_THAT(IdsOf(received), ElementsAre("a", "b"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
  EXPECT_TRUE(consumer->said.trimmed().empty());
}

TEST_P(EachKindReplayTest, SkipsWhatWasNeverArchived) {
  SetUpBuried(GetParam(), {"a"});
  SetArchive("t", false);
  ASSERT_THAT(rig_.Publish("t", {"x", "y"}), IsOk());
  HandleAll(2);
  Pass(absl::Seconds(20));
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  HandleAll(1);
  EXPECT_EQ(Replay(), 4u);
  auto consumer = rig_.Consume("s", "c");
  std::vector<Received> received = consumer->Receive(2);
  EXPECT_THAT(IdsOf(received), ElementsAre("a", "b"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
  ASSERT_EQ(consumer->said.trimmed_size(), 1);
  EXPECT_EQ(consumer->said.trimmed(0).range().start(), 1);
  EXPECT_EQ(consumer->said.trimmed(0).range().end(), 3);
  // The lake goes on after a gap, which has no events.
  SetArchive("t", true);
  Bury();
  EXPECT_EQ(Replay(), 4u);
  received = consumer->Receive(2);
  EXPECT_THAT(IdsOf(received), ElementsAre("a", "b"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
}

TEST_F(HistoryReplayTest, CoversATimeOrARange) {
  Create("t");
  ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE)), IsOk());
  std::vector<absl::Time> times;
  for (int i = 0; i < 6; ++i) {
    times.push_back(rig_.clock.Now());
    ASSERT_THAT(rig_.Publish("t", {absl::StrCat("e", i)}), IsOk());
    rig_.clock.Advance(absl::Seconds(1));
  }
  HandleAll(6);
  Bury();
  v1::ReplaySubscriptionRequest request = ReplayOf("s");
  *request.mutable_start()->mutable_timestamp() = TimestampOf(times[1]);
  *request.mutable_stop_time() = TimestampOf(times[3]);
  EXPECT_EQ(Replay(request), 2u);
  const auto consumer = rig_.Consume("s", "c");
  std::vector<Received> received = consumer->Receive(2);
  EXPECT_THAT(IdsOf(received), ElementsAre("e1", "e2"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
  request = ReplayOf("s");
  request.mutable_start()->set_offset(3);
  request.set_stop_offset(5);
  EXPECT_EQ(Replay(request), 2u);
  received = consumer->Receive(2);
  EXPECT_THAT(IdsOf(received), ElementsAre("e3", "e4"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
  request = ReplayOf("s");
  request.mutable_start()->set_retained(true);
  EXPECT_EQ(Replay(request), 0u);
}

TEST_F(HistoryReplayTest, DeliversOnlyWhatItsFilterMatches) {
  Create("t");
  v1::Subscription subscription = SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE);
  subscription.mutable_filter()->set_sql("type LIKE 'order.%'");
  ASSERT_THAT(rig_.Subscribe(subscription), IsOk());
  v1::PublishStreamRequest publish = MakeRequest("t", {"a", "b", "c", "d"});
  publish.set_partition(0);
  const char* const types[] = {"order.made", "order.paid", "mail", "order.paid"};
  for (int i = 0; i < 4; ++i) publish.mutable_events(i)->set_type(types[i]);
  ASSERT_THAT(rig_.Publish(publish), IsOk());
  HandleAll(3);
  Bury();
  v1::ReplaySubscriptionRequest request = ReplayOf("s");
  request.mutable_filter()->set_sql("type = ");
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD));
  request.mutable_filter()->set_sql("type = 'order.paid' OR type = 'mail'");
  EXPECT_EQ(Replay(request), 4u);
  // Another replay would be filtered, too, or this one would not be any more.
  EXPECT_THAT(rig_.Replay(ReplayOf("s")),
              Refused(StatusCode::kFailedPrecondition, ErrorDetail::REASON_REPLAY_IN_PROGRESS));
  Restart();
  auto consumer = rig_.Consume("s", "c");
  std::vector<Received> received = consumer->Receive(2);
  EXPECT_THAT(IdsOf(received), ElementsAre("b", "d"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
  EXPECT_EQ(Replay(), 4u);
  received = consumer->Receive(3);
  EXPECT_THAT(IdsOf(received), ElementsAre("a", "b", "d"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
}

TEST_F(HistoryReplayTest, KeepsTheOrderOfKeys) {
  Create("t");
  v1::Subscription subscription = SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE);
  subscription.set_ordered_by_key(true);
  ASSERT_THAT(rig_.Subscribe(subscription), IsOk());
  v1::PublishStreamRequest publish = MakeRequest("t", {});
  *publish.add_events() = MakeEvent("a1", "a");
  *publish.add_events() = MakeEvent("a2", "a");
  *publish.add_events() = MakeEvent("b1", "b");
  ASSERT_THAT(rig_.Publish(publish), IsOk());
  auto consumer = rig_.Consume("s", "c");
  ASSERT_TRUE(consumer->AckAll(consumer->Receive(2)));
  ASSERT_TRUE(consumer->AckAll(consumer->Receive(1)));
  AwaitSettled();
  Bury();
  EXPECT_EQ(Replay(), 3u);
  const std::vector<Received> first = consumer->Receive(2);
  EXPECT_THAT(IdsOf(first), ElementsAre("a1", "b1"));
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  EXPECT_TRUE(consumer->AckAll(first));
  const std::vector<Received> last = consumer->Receive(1);
  EXPECT_THAT(IdsOf(last), ElementsAre("a2"));
  EXPECT_TRUE(consumer->AckAll(last));
  AwaitSettled();
}

// The event exists in the lake only, until it is a dead letter.
TEST_F(HistoryReplayTest, BecomesADeadLetterAndReturns) {
  SetUpBuried(v1::Subscription::KIND_QUEUE, {"a", "b"});
  EXPECT_EQ(Replay(), 2u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> received = consumer->Receive(2);
  consumer->Nack(received[0], v1::Nack::ACTION_PARK, "broken");
  EXPECT_TRUE(consumer->AckAll({received[1]}));
  rig_.AwaitParking("s");
  const std::vector<v1::DeadLetter> letters = rig_.DeadLetters("s");
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].event().id(), "a");
  EXPECT_EQ(letters[0].source_offset(), 0);
  EXPECT_EQ(letters[0].reason(), "broken");
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  redrive.mutable_selector();
  ASSERT_THAT(rig_.Redrive(redrive), IsOk());
  const std::vector<Received> again = consumer->Receive(1);
  EXPECT_THAT(IdsOf(again), ElementsAre("a"));
  EXPECT_TRUE(consumer->AckAll(again));
  AwaitSettled();
}

TEST_F(HistoryReplayTest, BecomesADeadLetterWhenTheLakeAnswersAgain) {
  SetUpBuried(v1::Subscription::KIND_QUEUE, {"a"});
  EXPECT_EQ(Replay(), 1u);
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> received = consumer->Receive(1);
  failing_->Fail(LakeUnavailable("t", "no route to the lake"));
  consumer->Nack(received[0], v1::Nack::ACTION_PARK, "broken");
  rig_.AwaitParking("s");
  EXPECT_THAT(rig_.DeadLetters("s"), IsEmpty());
  EXPECT_EQ(Stats().replay_events(), 1u);
  EXPECT_EQ(Stats().lost_events(), 0u);
  failing_->Fail(absl::OkStatus());
  rig_.Pass(absl::Minutes(2));
  const std::vector<Received> again = consumer->Receive(1);
  EXPECT_THAT(IdsOf(again), ElementsAre("a"));
  consumer->Nack(again[0], v1::Nack::ACTION_PARK, "broken");
  rig_.AwaitParking("s");
  ASSERT_EQ(rig_.DeadLetters("s").size(), 1u);
  EXPECT_EQ(rig_.DeadLetters("s")[0].event().id(), "a");
}

TEST_F(HistoryReplayTest, RefusesWhatItCannotDo) {
  SetUpBuried(v1::Subscription::KIND_QUEUE, {"a"});
  failing_->Fail(LakeUnavailable("t", "no route to the lake"));
  EXPECT_THAT(rig_.Replay(ReplayOf("s")),
              Refused(StatusCode::kUnavailable, ErrorDetail::REASON_LAKE_UNAVAILABLE));
  failing_->Fail(absl::OkStatus());
  // The lake was lost; the store says that it has the event.
  CloseHub();
  store_.objects().clear();
  OpenHub();
  v1::ReplaySubscriptionRequest request = ReplayOf("s");
  request.mutable_start()->set_offset(0);
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kOutOfRange, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
  EXPECT_EQ(Replay(), 0u);
  // A topic that is not archived has no history.
  Create("u");
  SetArchive("u", false);
  ASSERT_THAT(rig_.Subscribe(SubscriptionOf("su", "u", v1::Subscription::KIND_QUEUE)), IsOk());
  ASSERT_THAT(rig_.Publish("u", {"x"}), IsOk());
  Pass(absl::Seconds(20));
  request = ReplayOf("su");
  request.mutable_start()->set_offset(0);
  EXPECT_THAT(rig_.Replay(request),
              Refused(StatusCode::kOutOfRange, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
}

// The lake is replaced by an empty one while a replay is under way.
TEST_F(HistoryReplayTest, SaysThatTheLakeLacksTheEvents) {
  SetUpBuried(v1::Subscription::KIND_QUEUE, {"a", "b"});
  EXPECT_EQ(Replay(), 2u);
  CloseHub();
  store_.objects().clear();
  OpenHub();
  auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Receive(), IsEmpty());
  ASSERT_TRUE(Eventually([&] {
    return testing::Value(Findings(), Contains(HasSubstr("cannot be replayed at offset 0")));
  }));
  EXPECT_EQ(Stats().replay_events(), 2u);
  const auto cancelled = rig_.CancelReplays("s");
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->events(), 2u);
  AwaitSettled();
}

TEST_F(HistoryReplayTest, DropsWhatNobodyTakes) {
  SetUpBuried(v1::Subscription::KIND_STREAM, {"a"});
  EXPECT_EQ(Replay(), 1u);
  auto consumer = rig_.Consume("s", "c");
  EXPECT_THAT(consumer->Poll(), IsOk());  // Asks for the event.
  consumer.reset();
  rig_.Pass(absl::Seconds(2));
  consumer = rig_.Consume("s", "c");
  const std::vector<Received> received = consumer->Receive(1);
  EXPECT_THAT(IdsOf(received), ElementsAre("a"));
  EXPECT_TRUE(consumer->AckAll(received));
  AwaitSettled();
}

// More than there are places for: some wait until others have taken theirs.
TEST_F(HistoryReplayTest, ManySubscriptionsTakeTurns) {
  constexpr size_t kSubscriptions = 2 * HistoryReads::kMaxParts + 1;
  SetUpBuried(v1::Subscription::KIND_QUEUE, {"a", "b", "c"});
  std::vector<std::unique_ptr<TestConsumer>> consumers;
  for (size_t i = 0; i < kSubscriptions; ++i) {
    const std::string name = absl::StrCat("s", i);
    ASSERT_THAT(rig_.Subscribe(SubscriptionOf(name, "t", v1::Subscription::KIND_STREAM)), IsOk());
    EXPECT_EQ(Replay(ReplayOf(name)), 3u);
    consumers.push_back(rig_.Consume(name, "c", /*credit=*/2));
    EXPECT_THAT(consumers.back()->Poll(), IsOk());
  }
  // Whoever has not polled since keeps its part, until it expires.
  for (const auto& consumer : consumers) {
    std::vector<std::string> ids;
    ASSERT_TRUE(Eventually([&] {
      const std::vector<Received> some = consumer->Receive();
      for (const Received& event : some) ids.push_back(event.id);
      EXPECT_TRUE(consumer->AckAll(some));
      rig_.Pass(absl::Milliseconds(100));
      return ids.size() >= 3;
    }));
    EXPECT_THAT(ids, ElementsAre("a", "b", "c"));
  }
}

// Every event of a range comes once, in order, whatever is in the lake or the log, at whatever size
// of the frames.
TEST_P(EachKindReplayTest, GivesEverythingOnce) {
  constexpr uint32_t kPartitions = 2;
  Create("t", kPartitions, 300);
  ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", GetParam())), IsOk());
  std::map<std::pair<uint32_t, int64_t>, std::string> types;  // By place.
  int64_t published = 0;
  size_t live = 0;
  const auto publish = [&] {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    const auto partition = static_cast<uint32_t>(Int(0, kPartitions - 1));
    request.set_partition(partition);
    std::vector<std::string> sent;
    for (int64_t i = Int(1, 6); i > 0; --i) {
      v1::Event event = MakeEvent(absl::StrCat("e", ++published), absl::StrCat("k", Int(1, 4)),
                                  std::string(static_cast<size_t>(Int(0, 4000)), 'x'));
      event.set_type(absl::StrCat("type.", Int(1, 3)));
      sent.push_back(event.type());
      *request.add_events() = std::move(event);
    }
    const absl::StatusOr<v1::PublishResult> result = rig_.Publish(request);
    ASSERT_THAT(result, IsOk());
    int64_t offset = result->placements(0).base_offset();
    for (const std::string& type : sent) types[{partition, offset++}] = type;
    live += sent.size();
  };
  const auto settle_live = [&] {
    if (live > 0) HandleAll(live);
    live = 0;
  };
  const auto replay = [&] {
    settle_live();
    v1::ReplaySubscriptionRequest request = ReplayOf("s");
    int64_t from = 0;
    int64_t to = INT64_MAX;
    uint32_t first = 0;
    uint32_t last = kPartitions - 1;
    if (OneIn(2)) {
      first = last = static_cast<uint32_t>(Int(0, kPartitions - 1));
      request.add_partitions(first);
      from = Int(0, rig_.Describe("t", first).end_offset());
      request.mutable_start()->set_offset(from);
    }
    if (OneIn(2)) request.set_stop_offset(to = from + Int(0, 60));
    std::string type;
    if (OneIn(2)) {
      type = absl::StrCat("type.", Int(1, 4));
      request.mutable_filter()->set_sql(absl::StrCat("type = '", type, "'"));
    }
    std::map<uint32_t, std::vector<int64_t>> expected;
    size_t count = 0;
    for (const auto& [place, of_type] : types) {
      const auto& [partition, offset] = place;
      if (partition < first || partition > last || offset < from || offset >= to) continue;
      if (!type.empty() && of_type != type) continue;
      expected[partition].push_back(offset);
      ++count;
    }
    Replay(request);
    if (OneIn(4)) Restart();
    if (OneIn(4)) Archive();
    if (OneIn(4)) Pass(absl::Seconds(Int(2, 200)));
    auto consumer = rig_.Consume("s", "c", static_cast<uint32_t>(Int(1, 100)));
    std::map<uint32_t, std::vector<int64_t>> received;
    for (size_t got = 0; got < count && !HasFailure();) {
      const std::vector<Received> some = consumer->Receive(1);
      for (const Received& event : some) {
        EXPECT_TRUE(event.replayed);
        received[event.partition].push_back(event.offset);
      }
      got += some.size();
      EXPECT_TRUE(consumer->AckAll(some));
    }
    EXPECT_EQ(received, expected) << request.DebugString();
    // What the filter excludes is passed over, if somebody asks for events.
    ASSERT_TRUE(Eventually([&] {
      EXPECT_THAT(consumer->Receive(), IsEmpty());
      return Stats().replay_events() == 0;
    })) << request.DebugString();
  };
  const int steps = Steps(100);
  publish();
  for (int step = 0; step < steps && !HasFailure(); ++step) {
    switch (Int(0, 6)) {
      case 0:
      case 1:
      case 2:
        publish();
        break;
      case 3:
        rig_.clock.Advance(absl::Seconds(Int(1, 1000)));
        break;
      case 4:
        settle_live();
        Archive();
        break;
      case 5:
        settle_live();
        Archive();
        Pass(absl::Seconds(Int(2, 200)));
        break;
      default:
        replay();
    }
  }
  settle_live();
  Archive();
  Pass(absl::Seconds(400));
  for (int i = 0; i < 5 && !HasFailure(); ++i) replay();
}

}  // namespace
}  // namespace eventhub
