// GroupBy and Compact: the units that they see, and the common outcome of their events.

#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::string KeyOf(const v1::Event& event) { return event.partition_key(); }

int Sum(const Units<Number>& numbers) {
  int sum = 0;
  for (size_t i = 0; i < numbers.size(); ++i) sum += numbers[i].value;
  return sum;
}

AnyPipeline Summing(Window window) {
  return Pipeline("sum")
      .Map(ParseNumber)
      .GroupBy(KeyOf, window)
      .Map([](const Units<Number>& numbers) -> absl::StatusOr<int> {
        if (Sum(numbers) > 1000) return absl::OutOfRangeError("too much");
        return Sum(numbers);
      })
      .Publish("sums", [](const int& sum) { return Result(sum); });
}

TEST(GroupTest, GathersTheUnitsOfAKey) {
  TestProcessor test(Rules({Summing({.units = 4, .wait = absl::Seconds(1)})}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(10, "b"));
  test.Deliver(NumberEvent(2, "a"));
  EXPECT_THAT(test.emitted(), IsEmpty());
  EXPECT_EQ(test.unsettled(), 3u);
  test.Deliver(NumberEvent(3, "a"));
  EXPECT_THAT(Emitted(test), ElementsAre("sums:6", "sums:10"));
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(test.emitted()[0].event.attributes().at("causationid").string(), "3");
  test.Deliver(NumberEvent(5, "a"));
  test.Advance(absl::Seconds(1));
  EXPECT_THAT(Emitted(test), ElementsAre("sums:6", "sums:10", "sums:5"));
}

TEST(GroupTest, AGroupFailsTogetherAndAlone) {
  TestProcessor test(Rules({Summing({.units = 4})}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(999, "b"));
  test.Deliver(NumberEvent(2, "b"));
  test.Deliver(NumberEvent(3, "a"));
  EXPECT_THAT(Emitted(test), ElementsAre("sums:4"));
  EXPECT_THAT(Settled(test), UnorderedElementsAre("ack 1", "ack 3", "park 999", "park 2"));
  ASSERT_THAT(test.faults(), SizeIs(2));
  EXPECT_NE(test.faults()[0].id, test.faults()[1].id);
  EXPECT_EQ(test.faults()[0].group, test.faults()[1].group);
  EXPECT_EQ(test.faults()[0].group, std::min(test.faults()[0].id, test.faults()[1].id));
}

TEST(GroupTest, AGroupIsCommittedInOneTransaction) {
  TestProcessor test(Rules({Summing({.units = 2})}));
  bool refuse = true;
  test.OnCommit([&](const client::Transaction& transaction) {
    EXPECT_THAT(transaction.acks, SizeIs(1));
    EXPECT_THAT(transaction.acks[0].ranges, ElementsAre(client::OffsetRange{0, 2}));
    return refuse ? absl::UnavailableError("down") : absl::OkStatus();
  });
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  EXPECT_EQ(test.unsettled(), 2u);
  refuse = false;
  test.Advance(absl::Seconds(1));
  EXPECT_THAT(Emitted(test), ElementsAre("sums:3"));
  EXPECT_EQ(test.unsettled(), 0u);
}

// Groups that share an event through a split succeed or fail together.
TEST(GroupTest, GroupsThatShareAnEventShareItsFate) {
  struct Digit {
    int value;
  };
  TestProcessor test(
      Rules({Pipeline("p")
                 .Split([](const v1::Event& event) {
                   std::vector<Digit> digits;
                   for (const char c : event.id()) digits.push_back({c - '0'});
                   return digits;
                 })
                 .GroupBy([](const Digit& digit) { return digit.value; }, {.units = 4})
                 .Map([](const Units<Digit>& digits) -> absl::StatusOr<Number> {
                   if (digits[0].value == 9) return absl::InternalError("no");
                   return Number{digits[0].value};
                 })
                 .Publish("out", [](const Number& number) { return Result(number.value); })}));
  test.Deliver(NumberEvent(19));  // Its 9 fails …
  test.Deliver(NumberEvent(1));   // … so this, whose group has its 1 …
  test.Deliver(NumberEvent(2));   // … but not this.
  EXPECT_THAT(Settled(test), UnorderedElementsAre("park 19", "park 1", "ack 2"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:2"));
}

TEST(GroupTest, CallsAreMadeForGroups) {
  std::vector<Reply<void>> replies;
  TestProcessor test(Rules({Pipeline("p")
                                .GroupBy(KeyOf, {.units = 3})
                                .Call("c", [&](Units<v1::Event> events, Reply<void> reply) {
                                  EXPECT_EQ(events.front().partition_key(),
                                            events.back().partition_key());
                                  replies.push_back(std::move(reply));
                                })}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "b"));
  test.Deliver(NumberEvent(3, "a"));
  ASSERT_THAT(replies, SizeIs(2));
  replies[0](absl::OkStatus());
  test.Run();
  EXPECT_THAT(Settled(test), UnorderedElementsAre("ack 1", "ack 3"));
}

TEST(GroupTest, AnEventIsNotDividedBetweenWindows) {
  TestProcessor test(Rules({Pipeline("p")
                                .Split([](const v1::Event&) { return std::vector<Number>(3); })
                                .GroupBy([](const Number&) { return 0; }, {.units = 2})
                                .Publish("out", [](const Units<Number>& numbers) {
                                  return Result(static_cast<int>(numbers.size()));
                                })}));
  test.Deliver(NumberEvent(1));
  test.Deliver(NumberEvent(2));
  EXPECT_THAT(Emitted(test), ElementsAre("out:3", "out:3"));
}

TEST(CompactTest, KeepsTheLastOfEachKey) {
  TestProcessor test(
      Rules({Pipeline("p").Compact(KeyOf, {.units = 4}).Publish("out", [](const v1::Event& event) {
        return Result(std::stoi(event.id()));
      })}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "b"));
  test.Deliver(NumberEvent(3, "a"));
  EXPECT_EQ(test.unsettled(), 3u);
  test.Deliver(NumberEvent(4, "a"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:2", "out:4"));
  EXPECT_THAT(Settled(test), UnorderedElementsAre("ack 1", "ack 2", "ack 3", "ack 4"));
  EXPECT_EQ(test.counters().compacted, 2u);
}

TEST(CompactTest, WhatWasReplacedFailsWithWhatReplacedIt) {
  TestProcessor test(
      Rules({Pipeline("p").Compact(KeyOf, {.units = 3}).ForEach([](const v1::Event& event) {
        return event.id() == "3" ? absl::InternalError("no") : absl::OkStatus();
      })}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "b"));
  test.Deliver(NumberEvent(3, "a"));
  EXPECT_THAT(Settled(test), UnorderedElementsAre("park 1", "ack 2", "park 3"));
}

}  // namespace
}  // namespace eventhub::processor
