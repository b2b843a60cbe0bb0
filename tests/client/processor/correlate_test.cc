// Correlations: one end for each key, despite crashes, repeated and late events, and seeks back.

#include <map>
#include <random>
#include <set>

#include "absl/strings/escaping.h"
#include "client/processor/correlation_state.h"
#include "tests/client/processor/processor_fixture.h"
#include "tests/support/env_number.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using internal::CorrelationState;
using internal::DecodeCorrelationState;
using internal::EncodeCorrelationState;
using End = Correlation::Kind;

// An event of type "a", "b" … about a key.
v1::Event Fact(const std::string& type, const std::string& id, const std::string& key = "k") {
  v1::Event event = MakeEvent(id, key, absl::StrCat("data of ", id));
  event.set_type(type);
  return event;
}

bool HasAAndB(const Facts& facts) { return facts.Has("a") && facts.Has("b"); }

// E.g. "complete k: a1 b1".
std::string Describe(const Correlation& correlation) {
  std::string text = correlation.kind == End::kComplete  ? "complete "
                     : correlation.kind == End::kExpired ? "expired "
                                                         : "late ";
  absl::StrAppend(&text, correlation.facts.key(), ":");
  for (size_t i = 0; i < correlation.facts.size(); ++i) {
    absl::StrAppend(&text, " ", correlation.facts[i].id());
  }
  return text;
}

v1::Event Told(const Correlation& correlation) {
  v1::Event event;
  event.set_type("told");
  event.set_data(Describe(correlation));
  return event;
}

CorrelateOptions Within(absl::Duration within) { return {.state = "state", .within = within}; }

AnyPipeline Pair(CorrelateOptions options = Within(absl::Minutes(1))) {
  return Pipeline("pair")
      .On({"a", "b"})
      .Correlate(std::move(options), HasAAndB)
      .Publish("out", Told);
}

// What was published to the topic.
std::vector<std::string> DataOf(const TestProcessor& test, const std::string& topic = "out") {
  std::vector<std::string> data;
  for (const EmittedEvent& emitted : test.emitted()) {
    if (emitted.topic == topic) data.push_back(emitted.event.data());
  }
  return data;
}

std::vector<std::string> TypesOf(const TestProcessor& test, const std::string& topic) {
  std::vector<std::string> types;
  for (const EmittedEvent& emitted : test.emitted()) {
    if (emitted.topic == topic) types.push_back(emitted.event.type());
  }
  return types;
}

TEST(CorrelateTest, CompletesWhenTheConditionHolds) {
  TestProcessor test(Rules({Pair()}));
  test.Deliver(Fact("a", "a1"));
  EXPECT_THAT(DataOf(test), IsEmpty());
  test.Deliver(Fact("b", "x1", "other"));
  test.Deliver(Fact("b", "b1"));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
  const v1::Event& told = test.emitted().back().topic == "out" ? test.emitted().back().event
                                                               : test.emitted().end()[-2].event;
  EXPECT_EQ(told.partition_key(), "k");
  EXPECT_EQ(told.attributes().at("causationid").string(), "b1");
  EXPECT_THAT(Settled(test), ElementsAre("ack a1", "ack x1", "ack b1"));
  EXPECT_EQ(test.counters().completed, 1u);
  EXPECT_EQ(test.counters().in_flight, 0u);
  EXPECT_EQ(test.counters().waiting, 0u);
}

TEST(CorrelateTest, KeepsItsStateWhereThePipelineThePartitionAndTheKeySay) {
  TestProcessor test(Rules({Pair()}));
  test.Deliver(Fact("a", "a1"), 3);
  ASSERT_THAT(test.emitted(), SizeIs(2));
  EXPECT_EQ(test.emitted()[0].topic, "state");
  EXPECT_EQ(test.emitted()[0].event.partition_key(), "pair/3/k");
  EXPECT_EQ(test.emitted()[0].event.subject(), "k");
  const auto state = DecodeCorrelationState(test.emitted()[0].event.data());
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->deadline, state->since + absl::Minutes(1));
  ASSERT_EQ(state->facts.size(), 1u);
  EXPECT_EQ(state->facts[0]->data(), "data of a1");
  const v1::Event& timer = test.emitted()[1].event;
  EXPECT_EQ(test.emitted()[1].topic, TestProcessor::kTopic);
  EXPECT_EQ(timer.type(), kTimerType);
  EXPECT_EQ(timer.subject(), "s/pair");
  EXPECT_EQ(timer.partition_key(), "k");
  EXPECT_EQ(absl::FromUnixSeconds(timer.deliver_at().seconds()), state->deadline);
}

TEST(CorrelateTest, ExpiresWhenItDoesNotHoldInTime) {
  TestProcessor test(Rules({Pair()}));
  test.Deliver(Fact("a", "a1"));
  test.Advance(absl::Seconds(59));
  EXPECT_THAT(DataOf(test), IsEmpty());
  test.Advance(absl::Seconds(1));
  EXPECT_THAT(DataOf(test), ElementsAre("expired k: a1"));
  test.Deliver(Fact("b", "b1"));
  test.Advance(absl::Hours(1));
  EXPECT_THAT(DataOf(test), SizeIs(1)) << "once";
  EXPECT_EQ(test.counters().expired, 1u);
  EXPECT_EQ(test.counters().late, 1u);
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CorrelateTest, DoesNotExpireOnceComplete) {
  TestProcessor test(Rules({Pair()}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  test.Advance(absl::Hours(1));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
}

TEST(CorrelateTest, WaitsForEverIfToldSo) {
  TestProcessor test(Rules({Pair(Within(absl::InfiniteDuration()))}));
  test.Deliver(Fact("a", "a1"));
  EXPECT_THAT(TypesOf(test, TestProcessor::kTopic), IsEmpty()) << "no timer";
  test.Advance(absl::Hours(24 * 300));
  test.Deliver(Fact("b", "b1"));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
}

TEST(CorrelateTest, AnEventCountsOnce) {
  TestProcessor test(Rules({Pipeline("two").Correlate(
      Within(absl::Minutes(1)), [](const Facts& facts) { return facts.Count("a") == 2; })}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("a", "a1"));
  v1::Event other = Fact("a", "a1");
  other.set_source("/another");
  EXPECT_EQ(test.counters().completed, 0u);
  EXPECT_EQ(test.counters().repeats, 1u);
  test.Deliver(other);
  EXPECT_EQ(test.counters().completed, 1u) << "an id is unique within its source only";
}

TEST(CorrelateTest, MovedBackItRepeatsNothing) {
  TestProcessor test(Rules({Pair()}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  test.Deliver(Fact("a", "a2", "expires"));
  test.Advance(absl::Minutes(2));
  EXPECT_THAT(DataOf(test), SizeIs(2));
  const size_t emitted = test.emitted().size();
  for (int i = 0; i < 3; ++i) {
    test.Seek(0);
    test.Replay(1);
    test.Advance(absl::Minutes(2));
  }
  EXPECT_EQ(test.emitted().size(), emitted) << "no state and no timer either";
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CorrelateTest, WhatIsCommittedUnheardIsNotDoneAgain) {
  TestProcessor test(Rules({Pair()}));
  test.HoldCommits(true);
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  test.Crash();
  test.HoldCommits(false);
  test.Run();
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CorrelateTest, WhatIsNotCommittedIsDoneAgain) {
  TestProcessor test(Rules({Pair()}));
  test.Deliver(Fact("a", "a1"));
  test.OnCommit([](const client::Transaction&) { return absl::UnavailableError("down"); });
  test.Deliver(Fact("b", "b1"));
  test.Crash();
  EXPECT_THAT(DataOf(test), IsEmpty());
  test.OnCommit(nullptr);
  test.Advance(absl::Seconds(1));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CorrelateTest, LateEventsAreDropped) {
  TestProcessor test(Rules({Pair()}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  test.Deliver(Fact("a", "a2"));
  test.Deliver(Fact("b", "b2"));
  EXPECT_THAT(DataOf(test), SizeIs(1));
  EXPECT_EQ(test.counters().late, 2u);
}

TEST(CorrelateTest, LateEventsGoOnOnceIfToldSo) {
  CorrelateOptions options = Within(absl::Minutes(1));
  options.pass_late = true;
  TestProcessor test(Rules({Pair(options)}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  test.Deliver(Fact("a", "a2"));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1", "late k: a2"));
  test.Seek(0);
  test.Crash();
  EXPECT_THAT(DataOf(test), SizeIs(2));
}

// The event is processed in time, but was appended too late; the timer comes after it.
TEST(CorrelateTest, TimeIsWhenTheHubAppendedAnEvent) {
  TestProcessor test(Rules({Pair()}));
  test.HoldViews(true);
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("a", "a2", "in time"));
  test.Advance(absl::Seconds(59));
  test.Deliver(Fact("b", "b2", "in time"));
  test.Advance(absl::Seconds(1));
  test.Deliver(Fact("b", "b1"));
  test.Advance(absl::Hours(2));
  test.HoldViews(false);
  EXPECT_THAT(DataOf(test),
              testing::UnorderedElementsAre("expired k: a1", "complete in time: a2 b2"));
  test.Advance(absl::Hours(1));
  EXPECT_THAT(DataOf(test), SizeIs(2));
}

TEST(CorrelateTest, TheEndIsForgottenInTime) {
  CorrelateOptions options = Within(absl::Minutes(10));
  options.remember = absl::Hours(1);
  TestProcessor test(Rules({Pair(options)}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  test.Advance(absl::Minutes(59));
  test.Deliver(Fact("a", "a2"));
  EXPECT_EQ(test.counters().late, 1u);
  test.Advance(absl::Minutes(1));
  EXPECT_THAT(TypesOf(test, "state"),
              ElementsAre("eventhub.correlation.open", "eventhub.correlation.complete",
                          "eventhub.correlation.complete", "eventhub.correlation.forgotten"));
  EXPECT_EQ(test.emitted().back().event.data(), "") << "a delete marker";
  EXPECT_THAT(TypesOf(test, TestProcessor::kTopic), SizeIs(2)) << "one timer after another";
  test.Deliver(Fact("b", "b3"));
  test.Deliver(Fact("a", "a3"));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1", "complete k: b3 a3"));
}

TEST(CorrelateTest, AFirstEventMayBeAllThereIsToWaitFor) {
  CorrelateOptions options = Within(absl::Minutes(10));
  options.remember = absl::Hours(1);
  TestProcessor test(Rules({Pipeline("one")
                                .On({"a"})
                                .Correlate(options, [](const Facts&) { return true; })
                                .Publish("out", Told)}));
  test.Deliver(Fact("a", "a1"));
  test.Advance(absl::Minutes(30));
  test.Deliver(Fact("a", "a2"));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1"));
  test.Advance(absl::Minutes(30));
  EXPECT_THAT(TypesOf(test, TestProcessor::kTopic), SizeIs(1)) << "one timer is enough";
  EXPECT_EQ(test.emitted().back().event.type(), "eventhub.correlation.forgotten");
}

// An event that fails in a later step does not count until it is redriven.
TEST(CorrelateTest, AFaultUndoesWhatItsEventCollected) {
  bool fails = true;
  TestProcessor test(Rules({Pipeline("pair")
                                .On({"a", "b"})
                                .Correlate(Within(absl::Minutes(1)), HasAAndB)
                                .ForEach([&](const Correlation&) {
                                  return fails ? absl::InternalError("no") : absl::OkStatus();
                                })
                                .Publish("out", Told)}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  EXPECT_THAT(Settled(test), ElementsAre("ack a1", "park b1"));
  EXPECT_THAT(TypesOf(test, "state"), ElementsAre("eventhub.correlation.open"));
  fails = false;
  test.Redrive(1, {"pair"});
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
  test.Replay(1);
  EXPECT_THAT(DataOf(test), SizeIs(1));
}

TEST(CorrelateTest, AConditionMayFail) {
  TestProcessor test(Rules({Pipeline("pair").Correlate(
      Within(absl::Minutes(1)), [](const Facts& facts) -> absl::StatusOr<bool> {
        if (facts.Has("bad")) return absl::InvalidArgumentError("it is bad");
        return HasAAndB(facts);
      })}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("bad", "c1"));
  test.Deliver(Fact("b", "b1"));
  EXPECT_THAT(Settled(test), ElementsAre("ack a1", "park c1", "ack b1"));
  EXPECT_EQ(test.faults().at(0).step, "correlate 1");
  EXPECT_EQ(test.counters().completed, 1u);
}

TEST(CorrelateTest, AnotherPipelinesFaultChangesNothing) {
  TestProcessor test(Rules({Pair(), Pipeline("bad").ForEach([](const v1::Event& event) {
                              return event.id() == "b1" ? absl::InternalError("no")
                                                        : absl::OkStatus();
                            })}));
  test.HoldCommits(true);
  test.Deliver(Fact("a", "a1"));
  test.HoldCommits(false);
  test.HoldCommits(true);
  test.Deliver(Fact("b", "b1"));
  test.Crash();  // Between the commit of what the one emitted, and the dead letter of the other.
  test.HoldCommits(false);
  test.Run();
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
  EXPECT_THAT(Settled(test), ElementsAre("ack a1", "park b1"));
}

TEST(CorrelateTest, FaultsOfEventsThatCannotBeCollected) {
  CorrelateOptions options = Within(absl::Minutes(1));
  options.max_facts = 2;
  TestProcessor test(Rules({Pair(options)}));
  test.Deliver(Fact("a", "keyless", ""));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("a", "a2"));
  test.Deliver(Fact("a", "a3"));
  EXPECT_THAT(Settled(test), ElementsAre("park keyless", "ack a1", "ack a2", "park a3"));
  EXPECT_THAT(test.faults().at(0).message, HasSubstr("partition key"));
  EXPECT_THAT(test.faults().at(1).message, HasSubstr("max_facts"));
}

TEST(CorrelateTest, KeepsOfAnEventWhatIsAsked) {
  CorrelateOptions options = Within(absl::Minutes(1));
  options.keep = [](const v1::Event& event) {
    v1::Event kept;
    kept.set_type(event.type());
    return kept;
  };
  TestProcessor test(Rules({Pipeline("pair")
                                .On({"a", "b"})
                                .Correlate(options, HasAAndB)
                                .ForEach([](const Correlation& correlation) {
                                  EXPECT_EQ(correlation.facts[0].id(), "a1");
                                  EXPECT_EQ(correlation.facts[0].data(), "");
                                })}));
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("b", "b1"));
  EXPECT_EQ(test.counters().completed, 1u);
  EXPECT_THAT(test.faults(), IsEmpty());
}

TEST(CorrelateTest, StateThatCannotBeReadIsWaitedFor) {
  TestProcessor test(Rules({Pair()}));
  test.OnReadState([](const std::string& topic) {
    return absl::FailedPreconditionError(
        absl::StrCat(topic, " does not keep the latest event per key"));
  });
  test.Deliver(Fact("a", "a1"));
  test.Deliver(Fact("a", "a2", "k2"));
  test.Advance(absl::Seconds(30));
  EXPECT_EQ(test.state().kind, PipelineState::Kind::kWaiting);
  EXPECT_EQ(test.state().what, "step correlate 1");
  EXPECT_THAT(test.state().because, HasSubstr("state does not keep"));
  EXPECT_THAT(test.faults(), IsEmpty());
  test.OnReadState(nullptr);
  test.Advance(absl::Seconds(5));
  EXPECT_EQ(test.state().kind, PipelineState::Kind::kRunning);
  test.Deliver(Fact("b", "b1"));
  EXPECT_THAT(DataOf(test), ElementsAre("complete k: a1 b1"));
}

TEST(CorrelateTest, WaitsNoMoreForStateThatNobodyNeeds) {
  TestProcessor test(Rules({Pair()}));
  test.OnReadState([](const std::string&) { return absl::UnavailableError("down"); });
  test.Deliver(Fact("a", "a1"));
  EXPECT_EQ(test.state().kind, PipelineState::Kind::kWaiting);
  test.OnReadState(nullptr);
  test.Reconnect();
  test.Advance(absl::Seconds(5));
  EXPECT_EQ(test.state().kind, PipelineState::Kind::kRunning);
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CorrelateTest, ForeignStateIsAFault) {
  TestProcessor test(
      Rules({Pair(), Pipeline("foreign").On({"foreign"}).Publish("state", [](const v1::Event&) {
               v1::Event event;
               event.set_type("foreign");
               event.set_partition_key("pair/0/k");
               event.set_data("what?");
               return event;
             })}));
  test.Deliver(Fact("foreign", "f1", "f"));
  test.Deliver(Fact("a", "a1"));
  EXPECT_THAT(Settled(test), ElementsAre("ack f1", "park a1"));
  EXPECT_EQ(test.faults().at(0).type, "DATA_LOSS");
}

TEST(CorrelateTest, ReadsStateOnceForManyEventsIfItHasRoom) {
  for (const bool room : {true, false}) {
    CorrelateOptions options = Within(absl::Minutes(1));
    if (!room) options.cache_bytes = 0;
    TestProcessor test(Rules({Pair(options)}));
    for (int i = 0; i < 5; ++i) test.Deliver(Fact("a", absl::StrCat(i)));
    EXPECT_EQ(test.counters().calls, room ? 1u : 5u);
    test.Reconnect();  // Somebody else may have had the partition.
    test.Deliver(Fact("b", "b1"));
    EXPECT_EQ(test.counters().calls, room ? 2u : 6u);
    EXPECT_THAT(DataOf(test), ElementsAre("complete k: 0 1 2 3 4 b1"));
  }
}

TEST(CorrelateTest, TheCacheForgetsWhatWasNotUsedForLongest) {
  CorrelateOptions options = Within(absl::Minutes(1));
  options.cache_bytes = 1500;
  TestProcessor test(Rules({Pair(options)}));
  for (int i = 0; i < 10; ++i) test.Deliver(Fact("a", absl::StrCat("a", i), absl::StrCat(i)));
  const uint64_t reads = test.counters().calls;
  test.Deliver(Fact("a", "again9", "9"));
  EXPECT_EQ(test.counters().calls, reads);
  test.Deliver(Fact("a", "again0", "0"));
  EXPECT_EQ(test.counters().calls, reads + 1);
  test.Deliver(Fact("b", "b0", "0"));
  EXPECT_THAT(DataOf(test), ElementsAre("complete 0: a0 again0 b0"));
}

// Timers are the processor's own events; other pipelines do not get them.
TEST(CorrelateTest, TimersComeToTheirPipelineAlone) {
  size_t seen = 0;
  TestProcessor test(Rules({Pair(), Pipeline("all").ForEach([&](const v1::Event&) { ++seen; }),
                            Pipeline("second")
                                .Correlate({.state = "state", .within = absl::Minutes(5)},
                                           [](const Facts&) { return false; })
                                .Publish("second", Told)}));
  test.Deliver(Fact("a", "a1"));
  v1::Event foreign = Fact(kTimerType, "t1");
  foreign.set_subject("other/pair");
  test.Deliver(foreign);
  test.Advance(absl::Minutes(1));
  EXPECT_THAT(DataOf(test), ElementsAre("expired k: a1"));
  test.Advance(absl::Minutes(4));
  EXPECT_THAT(DataOf(test, "second"), ElementsAre("expired k: a1"));
  EXPECT_EQ(seen, 1u);
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(CorrelateTest, RefusesWhatCannotWorkByName) {
  const auto start = [](std::vector<AnyPipeline> pipelines) {
    return Processor::Start(nullptr, Rules(std::move(pipelines))).status();
  };
  const auto invalid = [](const char* what) {
    return StatusIs(absl::StatusCode::kInvalidArgument, what);
  };
  CorrelateOptions options = Within(absl::Minutes(1));
  EXPECT_THAT(start({Pair({})}), invalid("step correlate 1: state"));
  options.within = absl::ZeroDuration();
  EXPECT_THAT(start({Pair(options)}), invalid("within"));
  options = Within(absl::Minutes(1));
  options.remember = absl::Hours(24 * 366);
  EXPECT_THAT(start({Pair(options)}), invalid("remember"));
  options = Within(absl::Minutes(1));
  options.max_facts = 0;
  EXPECT_THAT(start({Pair(options)}), invalid("max_facts"));
  EXPECT_THAT(start({Pipeline("p")
                         .InOrder(client::Order::kPerPartition)
                         .Correlate(Within(absl::Minutes(1)), HasAAndB)}),
              invalid("pipeline p: state is by key"));
  EXPECT_THAT(start({Pair(), Pipeline("groups").GroupBy([](const v1::Event&) { return 1; })}),
              invalid("pipeline pair: it keeps state by key, and pipeline groups"));
}

TEST(CorrelationStateTest, IsEncodedAsTheFormatSays) {
  CorrelationState state{.phase = CorrelationState::Phase::kComplete,
                         .since = absl::FromUnixMicros(0x0102),
                         .deadline = absl::FromUnixMicros(0x0304),
                         .forget_at = absl::FromUnixMicros(0x0506)};
  v1::Event fact;
  fact.set_id("i");
  fact.set_source("s");
  state.facts.push_back(std::make_shared<v1::Event>(fact));
  const std::string bytes = EncodeCorrelationState(state);
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "0102"
            "0000000000000102"
            "0000000000000304"
            "0000000000000506"
            "7fffffffffffffff"
            "000000060a0169120173");
  const auto decoded = DecodeCorrelationState(bytes);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(EncodeCorrelationState(*decoded), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = DecodeCorrelationState(bytes.substr(0, size));
    if (size == 34) continue;  // Without the fact, it is whole.
    EXPECT_EQ(cut.status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_FALSE(DecodeCorrelationState(absl::StrCat("\x02", bytes.substr(1))).ok());
}

// Random facts, repetitions, faults, crashes, seeks and pauses, compared with a model of the log.
class CorrelateModelTest : public testing::TestWithParam<int> {
 protected:
  struct Published {
    v1::Event event;
    absl::Duration at;
  };

  static AnyPipeline Rule() {
    return Pipeline("model")
        .On({"a", "b", "c", "bad"})
        .Correlate({.state = "state",
                    .within = kWithin,
                    .remember = absl::InfiniteDuration(),
                    .cache_bytes = 2000},
                   [](const Facts& facts) -> absl::StatusOr<bool> {
                     if (facts.Has("bad")) return absl::InvalidArgumentError("bad");
                     return facts.Has("a") && facts.Has("b") && facts.Has("c");
                   })
        .Publish("out", Told);
  }

  int Roll(int sides) { return static_cast<int>(random_() % static_cast<unsigned>(sides)); }

  void Publish(TestProcessor& test) {
    const int key = Roll(30);
    v1::Event event =
        Fact(std::string(1, "abc"[Roll(3)]), absl::StrCat(next_++), absl::StrCat(key));
    if (Roll(12) == 0) event.set_type("bad");
    if (Roll(5) == 0 && !log_[key].empty()) {
      event = log_[key][static_cast<size_t>(Roll(static_cast<int>(log_[key].size())))].event;
    }
    log_[key].push_back({event, test.now()});
    test.Deliver(event, static_cast<uint32_t>(key % kPartitions));
  }

  void Step(TestProcessor& test) {
    switch (Roll(20)) {
      case 0:
        test.HoldCommits(Roll(2) == 0);
        break;
      case 1:
        test.HoldViews(Roll(2) == 0);
        break;
      case 2:
        hub_down_ = Roll(3) == 0;
        break;
      case 3:
        unreadable_ = Roll(3) == 0;
        break;
      case 4:
        test.Reconnect();
        break;
      case 5:
        test.Crash();
        break;
      case 6:
        if (Roll(4) == 0) test.Seek(Roll(10), static_cast<uint32_t>(Roll(kPartitions)));
        break;
      case 7:
        test.Advance(absl::Milliseconds(1 << Roll(15)));
        break;
      default:
        Publish(test);
    }
  }

  // The expected end of a key. The first event that does not fail opens the correlation.
  static std::string Expected(int key, const std::vector<Published>& log) {
    std::string ids;
    std::set<std::string> types;
    std::set<std::string> seen;
    std::optional<absl::Duration> since;
    for (const auto& [event, at] : log) {
      if (event.type() == "bad" || !seen.insert(event.id()).second) continue;
      if (!since) since = at;
      if (at >= *since + kWithin) break;
      absl::StrAppend(&ids, " ", event.id());
      types.insert(event.type());
      if (types.size() == 3) return absl::StrCat("complete ", key, ":", ids);
    }
    return since ? absl::StrCat("expired ", key, ":", ids) : "";
  }

  static constexpr absl::Duration kWithin = absl::Seconds(20);
  static constexpr int kPartitions = 3;

  std::mt19937 random_;
  std::map<int, std::vector<Published>> log_;
  bool hub_down_ = false;
  bool unreadable_ = false;
  int next_ = 1;
};

TEST_P(CorrelateModelTest, OneEndForEachKey) {
  const uint64_t seed =
      EnvNumber("EVENTHUB_TEST_SEED", 1) * 1000 + static_cast<uint64_t>(GetParam());
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  random_.seed(static_cast<unsigned>(seed));
  ProcessorOptions options = Rules({Rule()});
  options.commit.max_events = 1 + static_cast<size_t>(Roll(40));
  TestProcessor test(options, seed);
  test.OnCommit([this](const client::Transaction&) {
    return hub_down_ ? absl::UnavailableError("down") : absl::OkStatus();
  });
  test.OnReadState([this](const std::string&) {
    return unreadable_ ? absl::UnavailableError("down") : absl::OkStatus();
  });
  for (int i = 0; i < 600; ++i) Step(test);
  hub_down_ = unreadable_ = false;
  test.HoldCommits(false);
  test.HoldViews(false);
  test.Advance(absl::Hours(1));
  EXPECT_EQ(test.unsettled(), 0u);
  std::vector<std::string> expected;
  for (const auto& [key, log] : log_) {
    if (std::string end = Expected(key, log); !end.empty()) expected.push_back(std::move(end));
  }
  EXPECT_THAT(DataOf(test), testing::UnorderedElementsAreArray(expected));
}

INSTANTIATE_TEST_SUITE_P(Seeds, CorrelateModelTest, testing::Range(0, 40));

}  // namespace
}  // namespace eventhub::processor
