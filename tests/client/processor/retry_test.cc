// Steps whose functions return errors that may pass: they are retried, like calls, in order.

#include <functional>
#include <map>
#include <stdexcept>

#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = PipelineState::Kind;

v1::Event ResultOf(const Number& number) { return Result(number.value); }

// A store that fails the reads of some numbers, and says which were read.
class RetryTest : public testing::Test {
 protected:
  absl::StatusOr<Number> Read(const v1::Event& event) {
    const int number = std::stoi(event.id());
    read_.push_back(number);
    if (const auto it = errors_.find(number); it != errors_.end()) return it->second;
    if (down_) return absl::UnavailableError("the store is down");
    return Number{number};
  }
  AnyPipeline Reading(StepOptions options = {}, client::Order order = client::Order::kPerKey) {
    return Pipeline("p")
        .InOrder(order)
        .Map([this](const v1::Event& event) { return Read(event); }, std::move(options))
        .Publish("out", ResultOf);
  }
  // What was read since the last call.
  std::vector<int> Reads() { return std::exchange(read_, {}); }

  bool down_ = false;
  std::map<int, absl::Status> errors_;
  std::vector<int> read_;
};

TEST_F(RetryTest, AnErrorThatPassesIsNoFault) {
  TestProcessor test(Rules({Reading()}));
  errors_[1] = absl::UnavailableError("busy");
  test.Deliver(NumberEvent(1));
  EXPECT_EQ(test.unsettled(), 1u);
  test.Advance(absl::Seconds(1));
  EXPECT_GT(Reads().size(), 1u);
  errors_.clear();
  test.Advance(absl::Seconds(20));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
  EXPECT_THAT(Settled(test), ElementsAre("ack 1"));
  EXPECT_THAT(test.faults(), IsEmpty());
  EXPECT_GT(test.counters().retries, 0u);
}

TEST_F(RetryTest, OtherErrorsAndExceptionsAreFaultsAtOnce) {
  TestProcessor test(Rules({Pipeline("p").ForEach([](const v1::Event& event) -> absl::Status {
    if (event.id() == "1") throw std::runtime_error("thrown");
    return absl::InvalidArgumentError("bad");
  })}));
  test.Deliver(NumberEvent(1));
  test.Deliver(NumberEvent(2));
  ASSERT_THAT(test.faults(), SizeIs(2));
  EXPECT_EQ(test.faults()[0].message, "thrown");
  EXPECT_EQ(test.faults()[1].type, "INVALID_ARGUMENT");
  EXPECT_EQ(test.faults()[1].attempts, 1u);
}

TEST_F(RetryTest, WhatFailsWhenItIsRetriedIsAFaultToo) {
  TestProcessor test(Rules({Reading()}));
  errors_[1] = absl::UnavailableError("busy");
  test.Deliver(NumberEvent(1));
  errors_[1] = absl::NotFoundError("gone");
  test.Advance(absl::Seconds(1));
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].type, "NOT_FOUND");
  EXPECT_EQ(test.faults()[0].attempts, 2u);
  EXPECT_EQ(test.faults()[0].step, "map 1");
}

// No step of the pipeline waits regularly: events have an order only because one had to.
TEST_F(RetryTest, EventsOfAKeyStayInOrder) {
  TestProcessor test(Rules({Reading()}));
  errors_[1] = absl::UnavailableError("busy");
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Deliver(NumberEvent(3, "b"));
  test.Deliver(NumberEvent(4));
  EXPECT_THAT(Reads(), ElementsAre(1, 3, 4));
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "out:4"));
  errors_.clear();
  test.Advance(absl::Seconds(20));
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "out:4", "out:1", "out:2"));
  test.Deliver(NumberEvent(5, "a"));
  EXPECT_THAT(Settled(test), ElementsAre("ack 3", "ack 4", "ack 1", "ack 2", "ack 5"));
}

// The other pipeline is done with the second event before the first one is.
TEST_F(RetryTest, WhatIsPublishedStaysInOrderThoughOnePipelineWaits) {
  TestProcessor test(Rules({Reading(), Pipeline("q").Map(ParseNumber).Publish("q", ResultOf)}));
  errors_[1] = absl::UnavailableError("busy");
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Deliver(NumberEvent(3, "b"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "q:3"));
  errors_.clear();
  test.Advance(absl::Seconds(20));
  // In one transaction, by topic.
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "q:3", "out:1", "out:2", "q:1", "q:2"));
}

TEST_F(RetryTest, OrderOfPartitionsAndNone) {
  TestProcessor partition(Rules({Reading({}, client::Order::kPerPartition)}));
  errors_[1] = absl::UnavailableError("busy");
  partition.Deliver(NumberEvent(1, "a"));
  partition.Deliver(NumberEvent(2, "b"));
  partition.Deliver(NumberEvent(3, "c"), /*partition=*/1);
  EXPECT_THAT(Emitted(partition), ElementsAre("out:3"));
  TestProcessor none(Rules({Reading({}, client::Order::kNone)}));
  none.Deliver(NumberEvent(1, "a"));
  none.Deliver(NumberEvent(2, "a"));
  EXPECT_THAT(Emitted(none), ElementsAre("out:2"));
  errors_.clear();
  partition.Advance(absl::Seconds(20));
  none.Advance(absl::Seconds(20));
  EXPECT_THAT(Emitted(partition), ElementsAre("out:3", "out:1", "out:2"));
  EXPECT_THAT(Emitted(none), ElementsAre("out:2", "out:1"));
}

TEST_F(RetryTest, AnOutageMakesNoFaults) {
  ProcessorOptions options = Rules({Reading()});
  options.stall_after = absl::InfiniteDuration();
  TestProcessor test(options);
  down_ = true;
  std::vector<std::string> all;
  for (int i = 0; i < 50; ++i) {
    test.Deliver(NumberEvent(i, absl::StrCat("k", i % 7)));
    test.Advance(absl::Seconds(1));
    all.push_back(absl::StrCat("ack ", i));
  }
  test.Advance(absl::Hours(1));
  EXPECT_EQ(test.unsettled(), 50u);
  EXPECT_EQ(test.state().kind, Kind::kWaiting);
  EXPECT_EQ(test.state().what, "step map 1");
  EXPECT_THAT(test.state().because, HasSubstr("the store is down"));
  Reads();
  test.Advance(absl::Minutes(10));
  EXPECT_LT(Reads().size(), 15u) << "an open circuit lets one through now and then";
  down_ = false;
  test.Advance(absl::Minutes(2));
  EXPECT_THAT(Settled(test), testing::UnorderedElementsAreArray(all));
  EXPECT_THAT(test.faults(), IsEmpty());
  EXPECT_EQ(test.state().kind, Kind::kRunning);
}

// Others succeed, so it is to blame.
TEST_F(RetryTest, AfterTheLastAttemptItIsAFault) {
  TestProcessor test(Rules({Reading({.retry = {.max_attempts = 3}})}));
  errors_[1] = absl::UnavailableError("always");
  test.Deliver(NumberEvent(1, "a"));
  for (int i = 2; i < 30; ++i) {
    test.Deliver(NumberEvent(i, "b"));
    test.Advance(absl::Milliseconds(100));
  }
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].event_id, "1");
  EXPECT_EQ(test.faults()[0].attempts, 3u);
  EXPECT_THAT(test.emitted(), SizeIs(28));
}

TEST_F(RetryTest, AnEventWhoseLeaseEndedIsDropped) {
  TestProcessor test(Rules({Reading()}));
  errors_[1] = absl::UnavailableError("busy");
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Reconnect();
  errors_.clear();
  test.Advance(absl::Seconds(20));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1", "out:2"));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST_F(RetryTest, ACrashInBetweenIsHarmless) {
  TestProcessor test(Rules({Reading()}));
  errors_[1] = absl::UnavailableError("busy");
  test.Deliver(NumberEvent(1, "a"));
  test.Crash();
  errors_.clear();
  test.Advance(absl::Seconds(20));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
}

TEST_F(RetryTest, OptionsAreChecked) {
  const AnyPipeline rule = Reading({.retry = {.max_attempts = 0}});
  EXPECT_THAT(rule.spec().Check(),
              StatusIs(absl::StatusCode::kInvalidArgument, "step map 1: retry"));
}

// Each step that calls a function which may return an error.
struct StepCase {
  const char* name;
  // A pipeline with a step whose function begins with `check`.
  std::function<AnyPipeline(std::function<absl::Status()> check)> make;
  std::vector<std::string> emitted;
};

class EachStepTest : public testing::TestWithParam<StepCase> {};

TEST_P(EachStepTest, IsRetried) {
  int failures = 3;
  TestProcessor test(Rules({GetParam().make(
      [&] { return failures-- > 0 ? absl::UnavailableError("busy") : absl::OkStatus(); })}));
  test.Deliver(NumberEvent(1, "a"));
  EXPECT_EQ(test.unsettled(), 1u);
  test.Advance(absl::Seconds(20));
  EXPECT_EQ(failures, -1);
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_THAT(test.faults(), IsEmpty());
  std::vector<std::string> out;
  for (const EmittedEvent& emitted : test.emitted()) {
    if (emitted.topic == "out") out.push_back(emitted.event.data());
  }
  EXPECT_EQ(out, GetParam().emitted);
}

template <typename T>
auto Or(const std::function<absl::Status()>& check, T value) {
  const absl::Status status = check();
  return status.ok() ? absl::StatusOr<T>(std::move(value)) : absl::StatusOr<T>(status);
}

INSTANTIATE_TEST_SUITE_P(
    All, EachStepTest,
    testing::Values(
        StepCase{"Map",
                 [](auto check) {
                   return Pipeline("p")
                       .Map([check](const v1::Event& event) {
                         return Or(check, ParseNumber(event));
                       })
                       .Publish("out", ResultOf);
                 },
                 {"1"}},
        StepCase{"ForEach",
                 [](auto check) {
                   return Pipeline("p")
                       .ForEach([check](const v1::Event&) { return check(); })
                       .Map(ParseNumber)
                       .Publish("out", ResultOf);
                 },
                 {"1"}},
        StepCase{"Split",
                 [](auto check) {
                   return Pipeline("p")
                       .Split([check](const v1::Event&) {
                         return Or(check, std::vector<Number>{{7}, {8}});
                       })
                       .Publish("out", ResultOf);
                 },
                 {"7", "8"}},
        StepCase{"PartOfASplit",
                 [](auto check) {
                   return Pipeline("p")
                       .Split([](const v1::Event&) {
                         return std::vector<Number>{{7}, {8}};
                       })
                       .ForEach([check](const Number& number) {
                         return number.value == 7 ? check() : absl::OkStatus();
                       })
                       .Publish("out", ResultOf);
                 },
                 {"7", "8"}},
        StepCase{"Publish",
                 [](auto check) {
                   return Pipeline("p").Publish(
                       "out", [check](const v1::Event&) { return Or(check, Result(1)); });
                 },
                 {"1"}},
        StepCase{"SkipOlder",
                 [](auto check) {
                   return Pipeline("p")
                       .SkipOlder([check](const v1::Event&) {
                         return Or(check, Sequence{.key = "k", .number = 1});
                       })
                       .Map(ParseNumber)
                       .Publish("out", ResultOf);
                 },
                 {"1"}},
        StepCase{"Materialize",
                 [](auto check) {
                   auto view =
                       OpenMemoryView({.name = "v", .columns = {{"number", ColumnType::kInteger}}});
                   return Pipeline("p")
                       .Materialize(*view,
                                    [check](const v1::Event&) {
                                      return Or(check, Row{.key = "a", .values = {int64_t{1}}});
                                    })
                       .Map([view = *view](const v1::Event&) {
                         return Number{
                             static_cast<int>(std::get<int64_t>((*view->Get("a").value())[0]))};
                       })
                       .Publish("out", ResultOf);
                 },
                 {"1"}},
        StepCase{"Correlate",
                 [](auto check) {
                   return Pipeline("p")
                       .Correlate({.state = "state"},
                                  [check](const Facts&) { return Or(check, true); })
                       .Publish("out", [](const Correlation&) { return Result(1); });
                 },
                 {"1"}},
        StepCase{"Continue",
                 [](auto check) {
                   return Pipeline("p")
                       .Job({.state = "state"})
                       .Continue([check](const Job&) { return Or(check, JobProgress::Finished()); })
                       .Publish("out", [](const Job&) { return Result(1); });
                 },
                 {"1"}}),
    [](const auto& info) { return std::string(info.param.name); });

// While a condition is retried, the events of its key wait; those of others do not.
TEST(RetryConditionTest, EventsOfAKeyStayInOrder) {
  bool busy = true;
  TestProcessor test(Rules({Pipeline("p")
                                .Correlate({.state = "state"},
                                           [&](const Facts& facts) -> absl::StatusOr<bool> {
                                             if (busy && facts.key() == "a") {
                                               return absl::UnavailableError("busy");
                                             }
                                             return facts.size() == 2;
                                           })
                                .Publish("out", [](const Correlation& correlation) {
                                  return Result(std::stoi(correlation.facts[1].id()));
                                })}));
  const auto out = [&] {
    std::vector<std::string> data;
    for (const EmittedEvent& emitted : test.emitted()) {
      if (emitted.topic == "out") data.push_back(emitted.event.data());
    }
    return data;
  };
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Deliver(NumberEvent(3, "b"));
  test.Deliver(NumberEvent(4, "b"));
  EXPECT_THAT(out(), ElementsAre("4"));
  EXPECT_EQ(test.unsettled(), 2u);
  busy = false;
  test.Advance(absl::Seconds(20));
  EXPECT_THAT(out(), ElementsAre("4", "2"));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(RetryConditionTest, AConditionThatFailsForGoodIsAFault) {
  TestProcessor test(
      Rules({Pipeline("p")
                 .Correlate({.state = "state", .condition = {.retry = {.max_attempts = 2}}},
                            [](const Facts&) -> absl::StatusOr<bool> {
                              return absl::UnavailableError("always");
                            })
                 .ForEach([](const Correlation&) {})}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Advance(absl::Seconds(20));
  ASSERT_THAT(test.faults(), SizeIs(2));
  EXPECT_EQ(test.faults()[0].attempts, 2u);
  EXPECT_EQ(test.faults()[0].step, "correlate 1");
}

}  // namespace
}  // namespace eventhub::processor
