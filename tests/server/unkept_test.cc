// Topics that keep nothing, and topics that refuse events beyond their limit.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/route_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

class RetentionNoneTest : public RouteTestBase {
 protected:
  static v1::Topic None(const std::string& name, bool none = true) {
    v1::Topic topic;
    topic.set_name(name);
    topic.mutable_retention()->set_none(none);
    return topic;
  }
};

TEST_F(RetentionNoneTest, KeepsOnlyOffsets) {
  ASSERT_THAT(rig_.Create(None("n")), IsOk());
  EXPECT_EQ(rig_.Publish("n", {"1", "2"}).value(), 0);
  EXPECT_EQ(rig_.Publish("n", {"3"}).value(), 2);
  EXPECT_EQ(rig_.TopicStatsOf("n").unrouted_events(), 3u);
  EXPECT_EQ(rig_.TopicStatsOf("n").published_events(), 3u);
  EXPECT_EQ(rig_.TopicStatsOf("n").bytes(), 0u);
  rig_.Reopen();
  EXPECT_EQ(rig_.Publish("n", {"4"}).value(), 3);
  const v1::PartitionInfo info = rig_.Describe("n");
  EXPECT_EQ(info.start_offset(), 4);
  EXPECT_EQ(info.end_offset(), 4);
  EXPECT_THAT(rig_.Read("n"), Refused(StatusCode::kFailedPrecondition,
                                      v1::ErrorDetail::REASON_TOPIC_KEEPS_NOTHING));
  EXPECT_THAT(
      rig_.Subscribe(SubscriptionOf("s", "n", v1::Subscription::KIND_QUEUE)),
      Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_KEEPS_NOTHING));
}

TEST_F(RetentionNoneTest, RoutesEventsAndCountsUnroutedOnes) {
  ASSERT_THAT(rig_.Create(None("n")), IsOk());
  ASSERT_THAT(rig_.Create(None("m")), IsOk());
  v1::Route route = RouteOf("r", "n", {"b", "m"});
  *route.mutable_filter() = ExactFilter("type", "x");
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  ASSERT_THAT(rig_.PublishEvents("n", {TypedEvent("1", "x"), TypedEvent("2", "y")}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
  EXPECT_EQ(rig_.TopicStatsOf("n").unrouted_events(), 1u);
  EXPECT_EQ(rig_.TopicStatsOf("m").unrouted_events(), 1u);
  EXPECT_EQ(rig_.Describe("m").end_offset(), 1);
  ASSERT_THAT(rig_.CreateRoute("mc", "m", {"c"}), IsOk());
  rig_.Reopen();
  ASSERT_THAT(rig_.PublishEvents("n", {TypedEvent("3", "x")}), IsOk());
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("3"));
  EXPECT_EQ(rig_.TopicStatsOf("m").unrouted_events(), 0u);
  EXPECT_EQ(rig_.Describe("m").end_offset(), 2);
}

TEST_F(RetentionNoneTest, CanBeSwitchedOnAndOff) {
  ASSERT_THAT(rig_.Publish("a", {"1", "2"}), IsOk());
  ASSERT_OK_AND_ASSIGN(auto reader, rig_.broker().readers().Open(kTester, ReadOf("a")));
  ASSERT_THAT(rig_.Update(None("a"), {"retention.none"}), IsOk());
  EXPECT_EQ(rig_.TopicStatsOf("a").bytes(), 0u);
  EXPECT_EQ(rig_.Describe("a").start_offset(), 2);
  ASSERT_THAT(rig_.Publish("a", {"3"}), IsOk());
  EXPECT_FALSE(rig_.Drain(*reader).ok());
  reader.reset();
  ASSERT_THAT(rig_.Update(None("a", false), {"retention.none"}), IsOk());
  EXPECT_EQ(rig_.Publish("a", {"4"}).value(), 3);
  EXPECT_THAT(rig_.Ids("a"), ElementsAre("4"));
  rig_.Reopen();
  EXPECT_THAT(rig_.Ids("a"), ElementsAre("4"));
  EXPECT_EQ(rig_.Publish("a", {"5"}).value(), 4);
  EXPECT_THAT(rig_.Ids("a"), ElementsAre("4", "5"));
  EXPECT_EQ(rig_.Describe("a").start_offset(), 3);
}

TEST_F(RetentionNoneTest, ExcludesOtherLimits) {
  v1::Topic topic = None("n");
  topic.mutable_retention()->set_max_bytes(1 << 20);
  EXPECT_THAT(rig_.Create(topic),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  topic = None("n");
  topic.mutable_retention()->mutable_max_age()->set_seconds(1);
  EXPECT_THAT(rig_.Create(topic),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  topic = None("n", false);
  topic.mutable_retention()->set_refuse_when_full(true);
  const absl::Status status = rig_.Create(topic).status();
  EXPECT_EQ(DetailOf(status)->field(), "topic.retention.refuse_when_full");
}

TEST_F(RetentionNoneTest, RejectsSubscriptionsAndDeadLetters) {
  ASSERT_THAT(rig_.Create(None("n")), IsOk());
  v1::Subscription subscription = SubscriptionOf("s", "a", v1::Subscription::KIND_QUEUE);
  subscription.set_dead_letter_topic("n");
  EXPECT_THAT(rig_.Subscribe(subscription), Refused(StatusCode::kFailedPrecondition,
                                                    v1::ErrorDetail::REASON_TOPIC_KEEPS_NOTHING));
  subscription.set_dead_letter_topic("b");
  ASSERT_THAT(rig_.Subscribe(subscription), IsOk());
  subscription.set_dead_letter_topic("n");
  EXPECT_THAT(
      rig_.UpdateSubscription(subscription, {"dead_letter_topic"}),
      Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_KEEPS_NOTHING));
  for (const char* const used : {"a", "b"}) {
    EXPECT_THAT(rig_.Update(None(used), {"retention.none"}),
                Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_IN_USE));
  }
  ASSERT_THAT(rig_.DeleteSubscription("s"), IsOk());
  for (const char* const free : {"a", "b"}) {
    EXPECT_THAT(rig_.Update(None(free), {"retention.none"}), IsOk());
  }
}

TEST_F(RetentionNoneTest, FullTopicRejectsUntilSpaceIsFree) {
  v1::Topic topic;
  topic.set_name("full");
  topic.mutable_retention()->set_max_bytes(EncodeEvent(MakeEvent("1")).size());
  topic.mutable_retention()->set_refuse_when_full(true);
  ASSERT_THAT(rig_.Create(topic), IsOk());
  ASSERT_THAT(rig_.Publish("full", {"1"}), IsOk());
  const auto is_full = Refused(StatusCode::kResourceExhausted, v1::ErrorDetail::REASON_TOPIC_FULL);
  EXPECT_THAT(rig_.Publish("full", {"2"}), is_full);
  rig_.Reopen();
  EXPECT_THAT(rig_.Publish("full", {"2"}), is_full);
  // A route to it either fails or skips.
  v1::Route route = RouteOf("r", "a", {"b", "full"});
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  EXPECT_THAT(rig_.Publish("a", {"3"}), Refused(StatusCode::kFailedPrecondition,
                                                v1::ErrorDetail::REASON_ROUTE_TARGET_UNAVAILABLE));
  EXPECT_THAT(rig_.Ids("a"), IsEmpty());
  EXPECT_THAT(rig_.Ids("b"), IsEmpty());
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(rig_.UpdateRoute(route, {"on_unavailable"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"3"}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("3"));
  EXPECT_EQ(rig_.StatsOf("r").skipped_events(), 1u);
  EXPECT_THAT(rig_.Ids("full"), ElementsAre("1"));
  // More room.
  topic.mutable_retention()->set_max_bytes(1 << 20);
  ASSERT_THAT(rig_.Update(topic, {"retention.max_bytes"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"4"}), IsOk());
  EXPECT_THAT(rig_.Ids("full"), ElementsAre("1", "4"));
}

}  // namespace
}  // namespace eventhub
