// A test of a rule, on the installed testing kit of stream processors.

#include "eventhub/processor/testing.h"
#include "gtest/gtest.h"

TEST(OutsideRuleTest, TestsARule) {
  namespace processor = eventhub::processor;
  const auto rule =
      processor::Pipeline("rule").Publish("out", [](const eventhub::v1::Event& cause) {
        eventhub::v1::Event event;
        event.set_type("test.result");
        event.set_data(cause.id());
        return event;
      });
  processor::TestProcessor test({.source = "/outside", .pipelines = {rule}});
  eventhub::v1::Event event;
  event.set_id("1");
  event.set_source("/outside/test");
  event.set_type("test");
  test.Deliver(event);
  ASSERT_EQ(test.emitted().size(), 1u);
  EXPECT_EQ(test.emitted()[0].event.data(), "1");
}
