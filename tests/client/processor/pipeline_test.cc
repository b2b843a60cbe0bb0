// Steps that do not wait, several pipelines side by side, faults, and the attributes of emitted
// events.

#include <stdexcept>

#include "eventhub/processor/internal/counters.h"
#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(PipelineTest, ReadsLikeItsRule) {
  TestProcessor test(
      Rules({Pipeline("even")
                 .On({"number"})
                 .Map(ParseNumber)
                 .Filter([](const Number& number) { return number.value % 2 == 0; })
                 .Publish("out", [](const Number& number) { return Result(number.value * 10); })}));
  for (int i = 1; i <= 4; ++i) test.Deliver(NumberEvent(i));
  EXPECT_THAT(Emitted(test), ElementsAre("out:20", "out:40"));
  EXPECT_THAT(Settled(test), ElementsAre("ack 1", "ack 2", "ack 3", "ack 4"));
  EXPECT_EQ(test.counters().events, 4u);
  EXPECT_EQ(test.counters().emitted, 2u);
  EXPECT_EQ(test.counters().in_flight, 0u);
}

TEST(PipelineTest, TakesOnlyTheEventsThatItWants) {
  int taken = 0;
  TestProcessor test(
      Rules({Pipeline("a").On({"number", "other"}).ForEach([&](const v1::Event&) { ++taken; })}));
  test.Deliver(NumberEvent(1));
  test.Deliver(MakeEvent("2"));
  EXPECT_EQ(taken, 1);
  EXPECT_THAT(Settled(test), ElementsAre("ack 1", "ack 2"));
  EXPECT_EQ(test.counters().passed_over, 1u);
}

TEST(PipelineTest, AFilterFollowsTheRulesOfTheHub) {
  int taken = 0;
  TestProcessor test(Rules({Pipeline("a")
                                .On(client::Filter::Sql("id = '2' AND type LIKE 'num%'"))
                                .ForEach([&](const v1::Event&) { ++taken; })}));
  test.Deliver(NumberEvent(1));
  test.Deliver(NumberEvent(2));
  EXPECT_EQ(taken, 1);
}

TEST(PipelineTest, PassesOverItsOwnEvents) {
  int taken = 0;
  const AnyPipeline pipeline = Pipeline("a").ForEach([&](const v1::Event&) { ++taken; });
  v1::Event own = NumberEvent(1);
  own.set_source("/processor");
  TestProcessor test(Rules({pipeline}));
  test.Deliver(own);
  EXPECT_EQ(taken, 0);
  EXPECT_THAT(Settled(test), ElementsAre("ack 1"));
  ProcessorOptions options = Rules({pipeline});
  options.take_own_events = true;
  TestProcessor takes(options);
  takes.Deliver(own);
  EXPECT_EQ(taken, 1);
}

TEST(PipelineTest, CompletesWhatItEmits) {
  TestProcessor test(
      Rules({Pipeline("p").Publish("out", [](const v1::Event&) { return Result(1); })}));
  v1::Event cause = NumberEvent(7, "key");
  (*cause.mutable_attributes())["traceparent"].set_string("00-ab");
  test.Deliver(cause);
  ASSERT_THAT(test.emitted(), SizeIs(1));
  const v1::Event event = test.emitted()[0].event;
  EXPECT_THAT(event.id(), AllOf(HasSubstr("7.p.0-0.")));
  EXPECT_EQ(event.source(), "/processor");
  EXPECT_EQ(event.type(), "result");
  EXPECT_EQ(event.partition_key(), "key");
  EXPECT_EQ(event.attributes().at("causationid").string(), "7");
  EXPECT_EQ(event.attributes().at("correlationid").string(), "7");
  EXPECT_EQ(event.attributes().at("traceparent").string(), "00-ab");

  // The same id from another source is another cause; the correlation id is passed on.
  cause.set_source("/elsewhere");
  (*cause.mutable_attributes())["correlationid"].set_string("c");
  test.Deliver(cause);
  ASSERT_THAT(test.emitted(), SizeIs(2));
  EXPECT_NE(test.emitted()[1].event.id(), event.id());
  EXPECT_EQ(test.emitted()[1].event.attributes().at("correlationid").string(), "c");
}

TEST(PipelineTest, KeepsWhatTheRuleSets) {
  TestProcessor test(Rules({Pipeline("p").Publish("out", [](const v1::Event&) {
    v1::Event event = Result(1);
    event.set_id("mine");
    event.set_source("/mine");
    event.set_partition_key("my-key");
    return event;
  })}));
  test.Deliver(NumberEvent(7, "key"));
  const v1::Event event = test.emitted().at(0).event;
  EXPECT_EQ(event.id(), "mine");
  EXPECT_EQ(event.source(), "/mine");
  EXPECT_EQ(event.partition_key(), "my-key");
}

TEST(PipelineTest, SplitsAnEventIntoUnits) {
  struct Digit {
    char value;
  };
  TestProcessor test(Rules({Pipeline("p")
                                .Split([](const v1::Event& event) {
                                  std::vector<Digit> digits;
                                  for (const char c : event.id()) digits.push_back({c});
                                  return digits;
                                })
                                .Filter([](const Digit& digit) { return digit.value != '0'; })
                                .Map([](const Digit& digit) { return Number{digit.value - '0'}; })
                                .Publish("out", [](const v1::Event&, const Number& number) {
                                  return Result(number.value);
                                })}));
  test.Deliver(NumberEvent(305));
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "out:5"));
  EXPECT_THAT(test.emitted()[0].event.id(), HasSubstr("305.p.0-0-0."));
  EXPECT_THAT(test.emitted()[1].event.id(), HasSubstr("305.p.2-0-0."));
  EXPECT_THAT(Settled(test), ElementsAre("ack 305"));
  EXPECT_EQ(test.commits(), 1u);
  EXPECT_EQ(test.counters().units, 4u);
}

TEST(PipelineTest, PublishesNoneOneOrMany) {
  TestProcessor test(Rules({Pipeline("p")
                                .Map(ParseNumber)
                                .Publish("a",
                                         [](const Number& number) {
                                           return std::vector<v1::Event>(
                                               static_cast<size_t>(number.value),
                                               Result(number.value));
                                         })
                                .Publish("b", [](const Number& number) -> std::optional<v1::Event> {
                                  if (number.value == 0) return std::nullopt;
                                  return Result(number.value);
                                })}));
  test.Deliver(NumberEvent(0));
  test.Deliver(NumberEvent(2));
  EXPECT_THAT(Emitted(test), ElementsAre("a:2", "a:2", "b:2"));
  std::set<std::string> ids;
  for (const EmittedEvent& emitted : test.emitted()) ids.insert(emitted.event.id());
  EXPECT_THAT(ids, SizeIs(3));
}

TEST(PipelineTest, AnErrorIsAFault) {
  TestProcessor test(Rules({Pipeline("p")
                                .Publish("out", [](const v1::Event&) { return Result(1); })
                                .Map([](const v1::Event& event) -> absl::StatusOr<Number> {
                                  if (event.id() == "2") return absl::InvalidArgumentError("odd");
                                  return Number{1};
                                })}));
  test.Deliver(NumberEvent(1));
  test.Deliver(NumberEvent(2));
  EXPECT_THAT(Settled(test), ElementsAre("ack 1", "park 2"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1")) << "what failed publishes nothing";
  ASSERT_THAT(test.faults(), SizeIs(1));
  const Fault& fault = test.faults()[0];
  EXPECT_EQ(fault.pipeline, "p");
  EXPECT_EQ(fault.step, "map 2");
  EXPECT_EQ(fault.type, "INVALID_ARGUMENT");
  EXPECT_EQ(fault.message, "odd");
  EXPECT_EQ(fault.event_id, "2");
  EXPECT_EQ(fault.offset, 1);
  EXPECT_THAT(
      test.settled()[1].outcome.reason,
      AllOf(HasSubstr("pipeline p, step map 2: INVALID_ARGUMENT: odd"), HasSubstr(fault.id)));
}

TEST(PipelineTest, AnExceptionIsAFault) {
  TestProcessor test(Rules(
      {Pipeline("p").Map(ParseNumber), Pipeline("q").ForEach([](const v1::Event&) { throw 1; })}));
  test.Deliver(MakeEvent("x"));
  ASSERT_THAT(test.faults(), SizeIs(2));
  EXPECT_EQ(test.faults()[0].type, "std::invalid_argument");
  EXPECT_EQ(test.faults()[0].message, "stoi");
  EXPECT_EQ(test.faults()[1].type, "int");
  EXPECT_THAT(Settled(test), ElementsAre("park x"));
}

TEST(PipelineTest, AFaultHasTheSameIdEachTime) {
  const AnyPipeline bad =
      Pipeline("p").ForEach([](const v1::Event&) { return absl::InternalError("no"); });
  TestProcessor once(Rules({bad}));
  TestProcessor again(Rules({bad}), /*seed=*/2);
  once.Deliver(NumberEvent(1));
  again.Deliver(NumberEvent(3), 4);
  again.Deliver(NumberEvent(1));
  EXPECT_EQ(once.faults().at(0).id, again.faults().at(1).id);
  EXPECT_NE(again.faults().at(0).id, again.faults().at(1).id);
}

TEST(PipelineTest, AnEventThatTheHubWouldRefuseIsAFault) {
  TestProcessor test(Rules({Pipeline("p").Publish("out", [](const v1::Event&) {
    v1::Event event = Result(1);
    event.set_type("");
    return event;
  })}));
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(Settled(test), ElementsAre("park 1"));
  EXPECT_EQ(test.faults().at(0).step, "publish 1");
  EXPECT_THAT(test.faults().at(0).message, HasSubstr("type"));
  EXPECT_THAT(test.emitted(), IsEmpty());
}

TEST(PipelineTest, OnePipelinesFaultKeepsTheOthersWork) {
  TestProcessor test(
      Rules({Pipeline("good").Publish("out", [](const v1::Event&) { return Result(1); }),
             Pipeline("bad").ForEach([](const v1::Event&) { return absl::InternalError("no"); })}));
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
  EXPECT_THAT(Settled(test), ElementsAre("park 1"));
  EXPECT_THAT(test.settled()[0].outcome.reason, HasSubstr("pipeline bad"));
}

TEST(PipelineTest, RefusesOptionsByName) {
  const auto check = [](const AnyPipeline& pipeline) { return pipeline.spec().Check(); };
  const auto call = [](const v1::Event&, Reply<void> reply) { reply(absl::OkStatus()); };
  EXPECT_THAT(check(Pipeline("p").Call("c", call, {.parallel = 0})),
              StatusIs(absl::StatusCode::kInvalidArgument, "step c: parallel"));
  EXPECT_THAT(check(Pipeline("p").Call("c", call, {.timeout = absl::ZeroDuration()})),
              StatusIs(absl::StatusCode::kInvalidArgument, "timeout"));
  EXPECT_THAT(check(Pipeline("p").Call("c", call, {.retry = {.max_attempts = 0}})),
              StatusIs(absl::StatusCode::kInvalidArgument, "max_attempts"));
  EXPECT_THAT(check(Pipeline("p").Compact([](const v1::Event&) { return 1; }, {.units = 0})),
              StatusIs(absl::StatusCode::kInvalidArgument, "window.units"));
  EXPECT_THAT(check(Pipeline("p").Call("c", call)), IsOk());
}

// A backlog of a day adds up to more than 64 bits of nanoseconds.
TEST(TimeCounterTest, SumsOfLongTimesDoNotOverflow) {
  internal::TimeCounter counter;
  for (int i = 0; i < 1'000'000; ++i) counter.Add(absl::Hours(24));
  counter.Add(absl::Nanoseconds(1));
  EXPECT_EQ(absl::Trunc(counter.duration(), absl::Seconds(1)), 1'000'000 * absl::Hours(24));
}

}  // namespace
}  // namespace eventhub::processor
