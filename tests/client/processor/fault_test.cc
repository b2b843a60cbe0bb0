// The contents of faults, and the redrive of an event to one pipeline.
#include <stdexcept>
#include <string>
#include <vector>

#include "eventhub/processor/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/processor/processor_fixture.h"

namespace eventhub::processor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

AnyPipeline Failing(const char* id) {
  return Pipeline(id).ForEach([](const v1::Event&) { return absl::InternalError("card 4111"); });
}

TEST(FaultTest, SaysWhoFailedWhereAndInWhichTrace) {
  TestProcessor test(Rules({Failing("charge")}));
  v1::Event event = NumberEvent(1);
  (*event.mutable_attributes())["traceparent"].set_string(
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  test.Deliver(event);
  ASSERT_THAT(test.settled(), SizeIs(1));
  ASSERT_NE(test.settled()[0].outcome.faults, nullptr);
  ASSERT_THAT(*test.settled()[0].outcome.faults, SizeIs(1));
  const client::FaultDetail& detail = test.settled()[0].outcome.faults->front();
  EXPECT_EQ(detail.processor, test.faults().at(0).processor);
  EXPECT_THAT(detail.processor, Not(IsEmpty()));
  EXPECT_EQ(detail.pipeline, "charge");
  EXPECT_EQ(detail.step, "for each 1");
  EXPECT_EQ(detail.error, "INTERNAL");
  EXPECT_EQ(detail.message, "card 4111");
  EXPECT_EQ(detail.attempts, 1u);
  EXPECT_EQ(detail.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_THAT(detail.host, Not(IsEmpty()));
  EXPECT_TRUE(detail.time.has_value());
  EXPECT_EQ(detail.group, "");
}

TEST(FaultTest, HasTheCausesOfAnException) {
  TestProcessor test(Rules({Pipeline("p").ForEach([](const v1::Event&) {
    try {
      try {
        throw std::out_of_range("no row 7");
      } catch (...) {
        std::throw_with_nested(std::logic_error("no customer"));
      }
    } catch (...) {
      std::throw_with_nested(std::runtime_error("no order"));
    }
  })}));
  test.Deliver(NumberEvent(1));
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].type, "std::runtime_error");
  EXPECT_EQ(test.faults()[0].message, "no order");
  ASSERT_THAT(test.faults()[0].causes, SizeIs(2));
  EXPECT_EQ(test.faults()[0].causes[0], "std::logic_error: no customer");
  EXPECT_EQ(test.faults()[0].causes[1], "std::out_of_range: no row 7");
}

TEST(FaultTest, IsRedactedBeforeAnybodySeesIt) {
  ProcessorOptions options = Rules({Failing("charge")});
  options.hooks.redact = [](Fault& fault) {
    fault.message = "card ****";
    fault.id = "mine";
    fault.pipeline = "mine";
  };
  TestProcessor test(options);
  test.Deliver(NumberEvent(1));
  EXPECT_EQ(test.faults().at(0).message, "card ****");
  EXPECT_EQ(test.faults().at(0).pipeline, "charge");
  EXPECT_THAT(test.faults().at(0).id, SizeIs(32));
  EXPECT_EQ(test.settled().at(0).outcome.faults->front().message, "card ****");
  EXPECT_THAT(test.settled().at(0).outcome.reason, Not(testing::HasSubstr("4111")));
}

TEST(FaultTest, LosesItsMessageIfTheRedactionFails) {
  ProcessorOptions options = Rules({Failing("charge")});
  options.hooks.redact = [](Fault&) { throw std::runtime_error("no rules"); };
  TestProcessor test(options);
  test.Deliver(NumberEvent(1));
  EXPECT_THAT(test.faults().at(0).message, Not(testing::HasSubstr("4111")));
  EXPECT_THAT(test.settled().at(0).outcome.reason, Not(testing::HasSubstr("4111")));
}

TEST(FaultTest, EachPipelineThatFailedIsReported) {
  TestProcessor test(Rules({Failing("a"), Pipeline("b"), Failing("c")}));
  test.Deliver(NumberEvent(1));
  const auto& faults = *test.settled().at(0).outcome.faults;
  ASSERT_THAT(faults, SizeIs(2));
  EXPECT_EQ(faults[0].pipeline, "a");
  EXPECT_EQ(faults[1].pipeline, "c");
}

TEST(FaultTest, ARedriveIsForItsPipelinesOnly) {
  const auto publishing = [](const char* id, const char* topic) {
    return Pipeline(id).Publish(topic, [](const v1::Event&) { return Result(1); });
  };
  TestProcessor test(Rules({publishing("a", "A"), publishing("b", "B"), publishing("c", "C")}));
  const int64_t offset = test.Deliver(NumberEvent(1));
  EXPECT_THAT(Emitted(test), ElementsAre("A:1", "B:1", "C:1"));
  test.Redrive(offset, {"b"});
  EXPECT_THAT(Emitted(test), ElementsAre("A:1", "B:1", "C:1", "B:1"));
  EXPECT_EQ(test.counters(0).passed_over, 1u);
  test.Redrive(offset);  // To all.
  EXPECT_THAT(Emitted(test), ElementsAre("A:1", "B:1", "C:1", "B:1", "A:1", "B:1", "C:1"));
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(FaultTest, ARedriveToAPipelineThatIsGoneFailsAgain) {
  TestProcessor test(
      Rules({Pipeline("new").Publish("out", [](const v1::Event&) { return Result(1); })}));
  const int64_t offset = test.Deliver(NumberEvent(1));
  test.Redrive(offset, {"old"});
  EXPECT_THAT(Settled(test), ElementsAre("ack 1", "park 1"));
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].pipeline, "old");
  EXPECT_EQ(test.faults()[0].type, "NOT_FOUND");
  // One of the two pipelines exists, and processes the event.
  test.Redrive(offset, {"old", "new"});
  EXPECT_THAT(Emitted(test), ElementsAre("out:1", "out:1"));
  EXPECT_THAT(Settled(test), ElementsAre("ack 1", "park 1", "park 1"));
  ASSERT_THAT(*test.settled()[2].outcome.faults, SizeIs(1));
  EXPECT_EQ(test.settled()[2].outcome.faults->front().pipeline, "old");
  EXPECT_EQ(test.unsettled(), 0u);
}

}  // namespace
}  // namespace eventhub::processor
