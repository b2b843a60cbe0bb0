// The durable SkipRepeats.

#include "absl/strings/escaping.h"
#include "client/processor/seen_state.h"
#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;

using internal::DecodeSeenState;
using internal::EncodeSeenState;
using internal::SeenState;

AnyPipeline FirstOnly(DurableMemory memory = {.state = "seen"}) {
  return Pipeline("first")
      .On({"number"})
      .SkipRepeats(std::move(memory))
      .Publish("out", [](const v1::Event& event) { return Result(std::stoi(event.id())); });
}

std::vector<std::string> Passed(const TestProcessor& test) {
  std::vector<std::string> data;
  for (const EmittedEvent& emitted : test.emitted()) {
    if (emitted.topic == "out") data.push_back(emitted.event.data());
  }
  return data;
}

std::string LastSeen(const TestProcessor& test) {
  std::string type;
  for (const EmittedEvent& emitted : test.emitted()) {
    if (emitted.topic == "seen") type = emitted.event.type();
  }
  return type;
}

TEST(DurableSkipRepeatsTest, KnowsARepetitionAfterACrash) {
  TestProcessor test(Rules({FirstOnly()}));
  test.Deliver(NumberEvent(1, "k"));
  test.Deliver(NumberEvent(1, "k"));
  test.Deliver(NumberEvent(2, "k"));
  test.Crash();
  test.Deliver(NumberEvent(1, "k"));
  test.Deliver(NumberEvent(1, "another"));
  EXPECT_THAT(Passed(test), ElementsAre("1", "2", "1"));
  EXPECT_EQ(test.counters().repeats, 1u) << "since the crash";
}

TEST(DurableSkipRepeatsTest, WhatWasNotCommittedDidNotCome) {
  TestProcessor test(Rules({FirstOnly()}));
  test.OnCommit([](const client::Transaction&) { return absl::UnavailableError("down"); });
  test.Deliver(NumberEvent(1, "k"));
  test.Crash();
  test.OnCommit(nullptr);
  test.Advance(absl::Seconds(5));
  EXPECT_THAT(Passed(test), ElementsAre("1"));
}

TEST(DurableSkipRepeatsTest, AnEventIsNoRepetitionOfItself) {
  TestProcessor test(Rules({FirstOnly()}));
  test.Deliver(NumberEvent(1, "k"));
  test.Deliver(NumberEvent(1, "k"));
  test.Seek(0);
  EXPECT_THAT(Passed(test), ElementsAre("1", "1"));
}

TEST(DurableSkipRepeatsTest, WhatFailedDidNotCome) {
  bool fails = true;
  TestProcessor test(
      Rules({Pipeline("first").SkipRepeats({.state = "seen"}).ForEach([&](const v1::Event&) {
        return fails ? absl::InternalError("no") : absl::OkStatus();
      })}));
  test.Deliver(NumberEvent(1, "k"));
  fails = false;
  test.Deliver(NumberEvent(1, "k"));
  EXPECT_THAT(Settled(test), ElementsAre("park 1", "ack 1"));
  EXPECT_EQ(test.counters().repeats, 0u);
}

TEST(DurableSkipRepeatsTest, ForgetsInTime) {
  TestProcessor test(Rules({FirstOnly({.state = "seen", .remember = absl::Hours(1)})}));
  test.Deliver(NumberEvent(1, "k"));
  test.Advance(absl::Minutes(40));
  test.Deliver(NumberEvent(2, "k"));
  test.Advance(absl::Minutes(30));
  test.Deliver(NumberEvent(1, "k"));
  test.Deliver(NumberEvent(2, "k"));
  EXPECT_THAT(Passed(test), ElementsAre("1", "2", "1"));
  test.Advance(absl::Hours(1) - absl::Seconds(1));
  EXPECT_EQ(LastSeen(test), "eventhub.seen.ids");
  test.Advance(absl::Seconds(1));
  EXPECT_EQ(LastSeen(test), "eventhub.seen.forgotten");
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(DurableSkipRepeatsTest, ForgetsWhatIsTooMuch) {
  DurableMemory memory{.state = "seen", .max_ids = 2};
  memory.id = [](const v1::Event& event) { return event.id().substr(0, 1); };
  TestProcessor test(Rules({FirstOnly(memory)}));
  for (const int number : {1, 2, 10, 3, 20, 11}) test.Deliver(NumberEvent(number, "k"));
  EXPECT_THAT(Passed(test), ElementsAre("1", "2", "3", "11"));
}

TEST(DurableSkipRepeatsTest, RefusesOptionsByName) {
  const auto check = [](DurableMemory memory) {
    return FirstOnly(std::move(memory)).spec().Check();
  };
  const auto invalid = [](const char* what) {
    return StatusIs(absl::StatusCode::kInvalidArgument, what);
  };
  EXPECT_THAT(check({}), invalid("step skip repeats 1: state"));
  EXPECT_THAT(check({.state = "s", .remember = absl::InfiniteDuration()}), invalid("remember"));
  EXPECT_THAT(check({.state = "s", .max_ids = 1001}), invalid("max_ids"));
  EXPECT_THAT(check({.state = "s"}), IsOk());
}

TEST(SeenStateTest, IsEncodedAsTheFormatSays) {
  const SeenState state{
      .timer_at = absl::FromUnixMicros(0x0102),
      .ids = {{.at = absl::FromUnixMicros(0x0304), .offset = 0x0506, .id = "abc"}}};
  const std::string bytes = EncodeSeenState(state);
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "01"
            "0000000000000102"
            "0000000000000304"
            "0000000000000506"
            "00000003616263");
  const auto decoded = DecodeSeenState(bytes);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(EncodeSeenState(*decoded), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == 9) continue;  // Without ids, it is whole.
    EXPECT_EQ(DecodeSeenState(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace eventhub::processor
