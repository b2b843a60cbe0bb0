// Calls: parallel, in order, timeouts, retries, circuits, batches.

#include <map>
#include <stdexcept>

#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = PipelineState::Kind;

struct Score {
  int value = 0;
};

// A service that answers when the test says so.
class CallTest : public testing::Test {
 protected:
  // A pipeline that asks the service and publishes its answer.
  AnyPipeline Asking(CallOptions options = {}, client::Order order = client::Order::kPerKey) {
    return Pipeline("p")
        .InOrder(order)
        .Map(ParseNumber)
        .Call(
            "score",
            [this](const Number& number, Reply<Score> reply) {
              asked_.push_back(number.value);
              replies_.insert_or_assign(number.value, std::move(reply));
            },
            std::move(options))
        .Publish("out", [](const Number& number, const Score& score) {
          return Result(number.value + score.value);
        });
  }

  void Answer(TestProcessor& test, int number, absl::StatusOr<Score> answer) {
    replies_.at(number)(answer);
    test.Run();
  }
  // The requests since the last call of this function.
  std::vector<int> Asked() { return std::exchange(asked_, {}); }

  std::vector<int> asked_;
  std::map<int, Reply<Score>> replies_;
};

TEST_F(CallTest, AnswersComeInAnyOrder) {
  TestProcessor test(Rules({Asking()}));
  for (int i = 1; i <= 3; ++i) test.Deliver(NumberEvent(i));
  EXPECT_THAT(Asked(), ElementsAre(1, 2, 3));
  EXPECT_EQ(test.unsettled(), 3u);
  Answer(test, 3, Score{100});
  Answer(test, 1, Score{100});
  EXPECT_THAT(Emitted(test), ElementsAre("out:103", "out:101"));
  EXPECT_THAT(Settled(test), ElementsAre("ack 3", "ack 1"));
  EXPECT_EQ(test.unsettled(), 1u);
}

TEST_F(CallTest, AsksNoMoreThanParallel) {
  TestProcessor test(Rules({Asking({.parallel = 2})}));
  for (int i = 1; i <= 4; ++i) test.Deliver(NumberEvent(i));
  EXPECT_THAT(Asked(), ElementsAre(1, 2));
  EXPECT_EQ(test.counters().waiting, 2u);
  Answer(test, 2, Score{});
  EXPECT_THAT(Asked(), ElementsAre(3));
}

TEST_F(CallTest, UnitsOfAKeyStayInOrder) {
  TestProcessor test(Rules({Asking()}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Deliver(NumberEvent(3, "b"));
  test.Deliver(NumberEvent(4, "a"));
  EXPECT_THAT(Asked(), ElementsAre(1, 3));
  Answer(test, 3, Score{});
  EXPECT_THAT(Asked(), IsEmpty());
  Answer(test, 1, Score{});
  EXPECT_THAT(Asked(), ElementsAre(2));
  Answer(test, 2, Score{});
  Answer(test, 4, Score{});
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "out:1", "out:2", "out:4"));
}

TEST_F(CallTest, ARetryHoldsUpItsKeyOnly) {
  TestProcessor test(Rules({Asking()}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Deliver(NumberEvent(3, "b"));
  Answer(test, 1, absl::UnavailableError("busy"));
  Answer(test, 3, Score{});
  EXPECT_THAT(Emitted(test), ElementsAre("out:3"));
  Asked();
  test.Advance(absl::Milliseconds(100));
  EXPECT_THAT(Asked(), ElementsAre(1));
  Answer(test, 1, Score{});
  Answer(test, 2, Score{});
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "out:1", "out:2"));
}

TEST_F(CallTest, WithoutOrderNobodyWaits) {
  TestProcessor test(Rules({Asking({}, client::Order::kNone)}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  EXPECT_THAT(Asked(), ElementsAre(1, 2));
  Answer(test, 2, Score{});
  EXPECT_THAT(Emitted(test), ElementsAre("out:2"));
}

TEST_F(CallTest, OrdersAPartition) {
  TestProcessor test(Rules({Asking({}, client::Order::kPerPartition)}));
  test.Deliver(NumberEvent(1, "a"), 0);
  test.Deliver(NumberEvent(2, "b"), 0);
  test.Deliver(NumberEvent(3, "c"), 1);
  EXPECT_THAT(Asked(), ElementsAre(1, 3));
}

TEST_F(CallTest, EventsOfAKeyAreSettledInOrderWhateverOtherPipelinesWaitFor) {
  const AnyPipeline quick =
      Pipeline("quick").Map(ParseNumber).Publish("quick", [](const Number& number) {
        return Result(number.value);
      });
  TestProcessor test(Rules({quick, Asking({}, client::Order::kNone)}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Deliver(NumberEvent(3, "b"));
  Answer(test, 2, Score{});
  Answer(test, 3, Score{});
  EXPECT_THAT(Emitted(test), ElementsAre("quick:3", "out:3"));
  Answer(test, 1, Score{});
  EXPECT_THAT(Emitted(test),
              ElementsAre("quick:3", "out:3", "quick:1", "quick:2", "out:1", "out:2"));
}

TEST_F(CallTest, GivesUpAnAttemptThatTakesTooLong) {
  TestProcessor test(Rules({Asking({.parallel = 1, .timeout = absl::Seconds(2)})}));
  test.Deliver(NumberEvent(1));
  EXPECT_EQ(replies_.at(1).timeout(), absl::Seconds(2));
  Reply<Score> late = std::move(replies_.at(1));
  Asked();
  test.Advance(absl::Seconds(2));
  EXPECT_EQ(test.counters().timeouts, 1u);
  test.Advance(absl::Milliseconds(100));
  EXPECT_THAT(Asked(), ElementsAre(1));
  late(Score{500});
  test.Run();
  EXPECT_THAT(test.emitted(), IsEmpty()) << "too late";
  Answer(test, 1, Score{});
  EXPECT_THAT(Emitted(test), ElementsAre("out:1"));
  EXPECT_EQ(test.counters().calls, 2u);
  EXPECT_EQ(test.counters().retries, 1u);
}

TEST_F(CallTest, RetriesWithGrowingDelaysAndThenGivesUp) {
  std::vector<absl::Duration> at;
  TestProcessor* running = nullptr;
  const AnyPipeline pipeline =
      Pipeline("p").Call("flaky",
                         [&](const v1::Event&, Reply<void> reply) {
                           at.push_back(running->now());
                           reply(absl::UnavailableError("no"));
                         },
                         {.retry = {.max_attempts = 5, .initial_delay = absl::Seconds(1)},
                          .breaker = {.failures = 0}});
  TestProcessor test(Rules({pipeline}), /*seed=*/7);
  running = &test;
  test.Deliver(NumberEvent(1));
  test.Advance(absl::Minutes(1));
  ASSERT_THAT(at, SizeIs(5));
  for (size_t i = 1; i < at.size(); ++i) {
    EXPECT_LE(at[i] - at[i - 1], absl::Seconds(1) * (1 << (i - 1)));
  }
  EXPECT_EQ(test.faults().at(0).attempts, 5u);
  EXPECT_EQ(test.faults().at(0).type, "UNAVAILABLE");
  EXPECT_THAT(test.settled().at(0).outcome.reason, HasSubstr("UNAVAILABLE in 5 attempts: no"));
}

TEST_F(CallTest, WhatNoRetryCanMendIsAFaultAtOnce) {
  TestProcessor test(Rules({Asking()}));
  test.Deliver(NumberEvent(1));
  Answer(test, 1, absl::NotFoundError("no such customer"));
  EXPECT_THAT(Settled(test), ElementsAre("park 1"));
  EXPECT_EQ(test.faults().at(0).step, "score");
  EXPECT_EQ(test.faults().at(0).attempts, 1u);
}

TEST_F(CallTest, APredicateDecidesWhatIsRetried) {
  CallOptions options;
  options.retry.retryable = [](const absl::Status& status) { return absl::IsNotFound(status); };
  TestProcessor test(Rules({Asking(options)}));
  test.Deliver(NumberEvent(1));
  Answer(test, 1, absl::NotFoundError("not yet"));
  EXPECT_THAT(test.settled(), IsEmpty());
  test.Advance(absl::Milliseconds(100));
  Answer(test, 1, absl::UnavailableError("for ever"));
  EXPECT_THAT(Settled(test), ElementsAre("park 1"));
}

TEST_F(CallTest, ADroppedReplyIsRetried) {
  int calls = 0;
  TestProcessor test(Rules({Pipeline("p").Call("c", [&](const v1::Event&, Reply<void> reply) {
    if (++calls == 2) reply(absl::OkStatus());
  })}));
  test.Deliver(NumberEvent(1));
  test.Advance(absl::Seconds(1));
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(Settled(test), ElementsAre("ack 1"));
}

TEST_F(CallTest, WhatACallThrowsIsAFault) {
  TestProcessor test(Rules({Pipeline("p").Call("c", [](const v1::Event&, Reply<void> reply) {
    const Reply<void> mine = std::move(reply);
    throw std::runtime_error("no client");
  })}));
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(Settled(test), ElementsAre("park 1"));
  EXPECT_EQ(test.faults().at(0).type, "std::runtime_error");
  EXPECT_EQ(test.faults().at(0).message, "no client");
}

TEST_F(CallTest, TheCircuitOpensAndTriesOneUnit) {
  std::vector<PipelineState> states;
  ProcessorOptions options =
      Rules({Asking({.parallel = 10,
                     .timeout = absl::Hours(1),
                     .retry = {.max_attempts = 3},
                     .breaker = {.failures = 3, .open_for = absl::Seconds(5)}})});
  options.hooks.on_state = [&](const std::string& pipeline, const PipelineState& state) {
    EXPECT_EQ(pipeline, "p");
    states.push_back(state);
  };
  TestProcessor test(options);
  for (int i = 1; i <= 3; ++i) test.Deliver(NumberEvent(i));
  for (int i = 1; i <= 3; ++i) Answer(test, i, absl::UnavailableError("down"));
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_EQ(states[0].kind, Kind::kWaiting);
  EXPECT_EQ(states[0].what, "step score");
  EXPECT_THAT(states[0].because, HasSubstr("UNAVAILABLE: down"));
  EXPECT_EQ(test.counters().circuits, 1u);

  test.Deliver(NumberEvent(4));
  Asked();
  test.Advance(absl::Seconds(4));
  EXPECT_THAT(Asked(), IsEmpty());
  // Open for twice as long after each failed trial; no unit fails meanwhile.
  absl::Duration open_for = absl::Seconds(5);
  for (int trial = 0; trial < 4; ++trial) {
    test.Advance(open_for);
    const std::vector<int> asked = Asked();
    ASSERT_THAT(asked, SizeIs(1)) << trial;
    Answer(test, asked[0], absl::UnavailableError("down"));
    open_for *= 2;
  }
  EXPECT_THAT(test.faults(), IsEmpty());
  test.Advance(open_for);
  const std::vector<int> asked = Asked();
  ASSERT_THAT(asked, SizeIs(1));
  Answer(test, asked[0], Score{});
  EXPECT_EQ(test.state().kind, Kind::kRunning);
  EXPECT_THAT(states, SizeIs(Ge(2u)));
  EXPECT_EQ(states.back().kind, Kind::kRunning);
  EXPECT_THAT(Asked(), SizeIs(3)) << "the others follow";
}

TEST_F(CallTest, APoisonousUnitIsFoundOutByTheOthersSuccess) {
  // One unit fails as if the service were down; the service answers the others.
  TestProcessor test(Rules({Asking(
      {.retry = {.max_attempts = 3, .max_delay = absl::Seconds(1)}, .breaker = {.failures = 2}})}));
  test.Deliver(NumberEvent(666));
  for (int i = 1; i < 30 && test.faults().empty(); ++i) {
    test.Deliver(NumberEvent(i));
    for (int round = 0; round < 3; ++round) {
      for (const int asked : Asked()) {
        Answer(test, asked,
               asked == 666 ? absl::StatusOr<Score>(absl::UnavailableError("?")) : Score{});
      }
      test.Advance(absl::Seconds(1) / 2);
    }
  }
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].event_id, "666");
}

TEST_F(CallTest, MapsHttpResponses) {
  EXPECT_THAT(HttpStatus(204), IsOk());
  for (const int code : {408, 425, 429, 500, 502, 503, 504, 599}) {
    EXPECT_TRUE(IsTransient(HttpStatus(code))) << code;
  }
  for (const int code : {301, 400, 401, 403, 404, 409, 410, 412, 418, 501}) {
    EXPECT_FALSE(HttpStatus(code).ok()) << code;
    EXPECT_FALSE(IsTransient(HttpStatus(code))) << code;
  }
  EXPECT_THAT(HttpStatus(503, "later"),
              StatusIs(absl::StatusCode::kUnavailable, "HTTP 503: later"));
}

class BatchTest : public testing::Test {
 protected:
  AnyPipeline Storing(Window window, client::Order order = client::Order::kPerKey) {
    return Pipeline("p")
        .InOrder(order)
        .Map(ParseNumber)
        .CallBatch("store",
                   [this](Units<Number> numbers, BatchReply<Score> reply) {
                     std::vector<int> batch;
                     for (size_t i = 0; i < numbers.size(); ++i) batch.push_back(numbers[i].value);
                     batches_.push_back(batch);
                     replies_.push_back(std::move(reply));
                   },
                   window, {.parallel = 2})
        .Publish("out", [](const Number& number, const Score& score) {
          return Result(number.value + score.value);
        });
  }

  std::vector<std::vector<int>> batches_;
  std::vector<BatchReply<Score>> replies_;
};

TEST_F(BatchTest, GathersByCountAndTime) {
  TestProcessor test(Rules({Storing({.units = 3, .wait = absl::Seconds(1)})}));
  for (int i = 1; i <= 4; ++i) test.Deliver(NumberEvent(i));
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2, 3)));
  test.Advance(absl::Seconds(1) - absl::Nanoseconds(1));
  EXPECT_THAT(batches_, SizeIs(1));
  test.Advance(absl::Nanoseconds(1));
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4)));
  replies_[1]({{Score{100}}});
  test.Run();
  EXPECT_THAT(Emitted(test), ElementsAre("out:104"));
  EXPECT_EQ(test.counters().batches, 2u);
  EXPECT_EQ(test.counters().batched_units, 4u);
  EXPECT_EQ(test.counters().batch_room, 6u);
}

TEST_F(BatchTest, GathersByBytes) {
  const size_t size = NumberEvent(1).ByteSizeLong();
  TestProcessor test(Rules({Storing({.bytes = 2 * size, .wait = absl::Hours(1)})}));
  for (int i = 1; i <= 3; ++i) test.Deliver(NumberEvent(i));
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2)));
}

TEST_F(BatchTest, DrainsWithoutWaiting) {
  TestProcessor test(Rules({Storing({.wait = absl::Hours(1)})}));
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(batches_, IsEmpty());
  test.Drain();
  EXPECT_THAT(batches_, SizeIs(1));
  test.Deliver(NumberEvent(2));
  EXPECT_THAT(batches_, SizeIs(2));
}

TEST_F(BatchTest, RetriesOnlyWhatFailed) {
  TestProcessor test(Rules({Storing({.units = 3})}));
  for (int i = 1; i <= 3; ++i) test.Deliver(NumberEvent(i));
  replies_[0]({{Score{}, absl::UnavailableError("busy"), absl::NotFoundError("no")}});
  test.Run();
  EXPECT_THAT(Settled(test), ElementsAre("park 3", "ack 1"));
  test.Advance(absl::Seconds(1) / 2);
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2, 3), ElementsAre(2)));
  replies_[1]({{Score{}}});
  test.Run();
  EXPECT_THAT(Emitted(test), ElementsAre("out:1", "out:2"));
}

TEST_F(BatchTest, RetriesAllIfAllFailed) {
  TestProcessor test(Rules({Storing({.units = 2})}));
  for (int i = 1; i <= 2; ++i) test.Deliver(NumberEvent(i));
  replies_[0](absl::UnavailableError("busy"));
  test.Advance(absl::Seconds(1) / 2);
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2), ElementsAre(1, 2)));
}

TEST_F(BatchTest, AWrongNumberOfAnswersIsAFaultOfAll) {
  TestProcessor test(Rules({Storing({.units = 2})}));
  for (int i = 1; i <= 2; ++i) test.Deliver(NumberEvent(i));
  replies_[0]({{Score{}}});
  test.Run();
  EXPECT_THAT(Settled(test), ElementsAre("park 1", "park 2"));
  EXPECT_THAT(test.faults().at(0).message, HasSubstr("2 units got 1 answers"));
}

// A batch that waited for a second unit of a key would wait in vain.
TEST_F(BatchTest, AnOrderedInputDoesNotStall) {
  TestProcessor test(Rules({Storing({.units = 10, .wait = absl::Hours(1)})}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "b"));
  test.Deliver(NumberEvent(3, "a"));
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2)));
  test.Deliver(NumberEvent(4, "a"));
  EXPECT_THAT(batches_, SizeIs(1)) << "one at a time";
  replies_[0]({{Score{}, absl::UnavailableError("busy")}});
  test.Advance(absl::Seconds(1) / 2);
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2), ElementsAre(2))) << "before the next";
  replies_[1]({{Score{}}});
  test.Run();
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2), ElementsAre(2), ElementsAre(3)));
}

TEST_F(BatchTest, WithoutOrderBatchesRunSideBySide) {
  TestProcessor test(Rules({Storing({.units = 2}, client::Order::kNone)}));
  for (int i = 1; i <= 6; ++i) test.Deliver(NumberEvent(i, "a"));
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4)));
}

}  // namespace
}  // namespace eventhub::processor
