// The memory that topics and subscriptions cost, and its limits.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/admin/topic_changes.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

class StateLimitsTest : public testing::Test {
 protected:
  static constexpr size_t kMax = 40;

  StateLimitsTest() {
    rig_.max_partitions = kMax;
    EXPECT_THAT(rig_.Open(), IsOk());
  }

  static auto TooMany() {
    return Refused(absl::StatusCode::kResourceExhausted,
                   v1::ErrorDetail::REASON_TOO_MANY_PARTITIONS);
  }

  absl::Status Grow(const std::string& name, uint32_t partitions) {
    v1::Topic topic;
    topic.set_name(name);
    topic.set_partitions(partitions);
    return rig_.Update(topic, {"partitions"}).status();
  }

  absl::Status Subscribe(const std::string& name, const std::string& topic) {
    v1::Subscription subscription;
    subscription.set_name(name);
    subscription.set_topic(topic);
    subscription.set_kind(v1::Subscription::KIND_QUEUE);
    subscription.set_dead_letter_topic("letters");
    return rig_.Subscribe(subscription).status();
  }

  // The maximum number of partitions of a new topic.
  uint32_t Room() {
    for (uint32_t partitions = kMax; partitions > 0; --partitions) {
      if (!rig_.Create("probe", partitions).ok()) continue;
      EXPECT_THAT(rig_.Delete("probe"), IsOk());
      return partitions;
    }
    return 0;
  }

  SubscriptionRig rig_;
};

TEST_F(StateLimitsTest, TopicsArePaidByTheirPartitions) {
  EXPECT_EQ(Room(), 36u);
  EXPECT_THAT(rig_.Create("t", 37).status(), TooMany());
  ASSERT_THAT(rig_.Create("t", 16), IsOk());
  EXPECT_EQ(Room(), 16u);
  EXPECT_THAT(Grow("t", 37), TooMany());
  EXPECT_THAT(Grow("t", 30), IsOk());
  EXPECT_EQ(Room(), 2u);
  rig_.Reopen();
  EXPECT_EQ(Room(), 2u);
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  EXPECT_EQ(Room(), 36u);
}

TEST_F(StateLimitsTest, SubscriptionsArePaidLikeTheirTopics) {
  ASSERT_THAT(rig_.Create("letters"), IsOk());  // 5.
  ASSERT_THAT(rig_.Create("t", 4), IsOk());     // 8.
  ASSERT_THAT(Subscribe("one", "t"), IsOk());   // 8.
  EXPECT_EQ(Room(), 15u);
  EXPECT_THAT(Grow("t", 10), IsOk());  // 12 more.
  EXPECT_EQ(Room(), 3u);
  EXPECT_THAT(Subscribe("two", "t"), TooMany());
  EXPECT_THAT(Grow("t", 14), TooMany());
  rig_.Reopen();
  EXPECT_EQ(Room(), 3u);
  ASSERT_THAT(rig_.DeleteSubscription("one"), IsOk());
  EXPECT_EQ(Room(), 17u);
  ASSERT_THAT(Subscribe("two", "t"), IsOk());
  v1::DeleteTopicRequest request;
  request.set_name("t");
  request.set_delete_subscriptions(true);
  ASSERT_THAT(rig_.Delete(request), IsOk());
  EXPECT_EQ(Room(), 31u);
}

TEST_F(StateLimitsTest, ADeadLetterTopicThatDoesNotFitCostsNothing) {
  ASSERT_THAT(rig_.Create("t", 16), IsOk());  // 20; a subscription would cost as much.
  v1::Subscription subscription;
  subscription.set_name("s");
  subscription.set_topic("t");
  subscription.set_kind(v1::Subscription::KIND_QUEUE);
  EXPECT_THAT(rig_.Subscribe(subscription).status(), TooMany());
  EXPECT_EQ(Room(), 16u);
}

class FilterLimitsTest : public testing::Test {
 protected:
  static constexpr size_t kMax = 64 << 10;

  FilterLimitsTest() {
    rig_.filter_bytes = kMax;
    EXPECT_THAT(rig_.Open(), IsOk());
    EXPECT_THAT(rig_.Create("t"), IsOk());
    EXPECT_THAT(rig_.Create("letters"), IsOk());
  }

  static auto TooMuch() {
    return Refused(absl::StatusCode::kResourceExhausted,
                   v1::ErrorDetail::REASON_TOO_MUCH_FOR_FILTERS);
  }

  // About 1,500 bytes, which count as 24,000: two fit, a third does not.
  static v1::Filter Large() {
    v1::Filter filter;
    filter.set_sql(absl::StrCat("type = '", std::string(1500, 'x'), "'"));
    return filter;
  }

  static v1::Subscription Queue(const std::string& name) {
    v1::Subscription subscription;
    subscription.set_name(name);
    subscription.set_topic("t");
    subscription.set_kind(v1::Subscription::KIND_QUEUE);
    subscription.set_dead_letter_topic("letters");
    return subscription;
  }

  absl::Status Subscribe(const std::string& name) {
    v1::Subscription subscription = Queue(name);
    *subscription.mutable_filter() = Large();
    return rig_.Subscribe(subscription).status();
  }

  absl::Status MakeRoute(const std::string& name) {
    v1::CreateRouteRequest request;
    request.mutable_route()->set_name(name);
    request.mutable_route()->set_source_topic("t");
    request.mutable_route()->add_target_topics("letters");
    *request.mutable_route()->mutable_filter() = Large();
    absl::Status made;
    rig_.broker().routes().Create(kTester, request,
                                  [&](const auto& outcome) { made = outcome.status(); });
    // The task before it is committed or refused by then.
    EXPECT_THAT(rig_.Create("barrier"), IsOk());
    EXPECT_THAT(rig_.Delete("barrier"), IsOk());
    return made;
  }

  absl::Status DropRoute(const std::string& name) {
    v1::DeleteRouteRequest request;
    request.set_name(name);
    absl::Status dropped;
    rig_.broker().routes().Delete(kTester, request,
                                  [&](const auto& outcome) { dropped = outcome.status(); });
    EXPECT_THAT(rig_.Create("barrier"), IsOk());
    EXPECT_THAT(rig_.Delete("barrier"), IsOk());
    return dropped;
  }

  SubscriptionRig rig_;
};

TEST_F(FilterLimitsTest, SubscriptionsAndRoutesShareTheMemoryOfFilters) {
  ASSERT_THAT(Subscribe("one"), IsOk());
  ASSERT_THAT(MakeRoute("two"), IsOk());
  EXPECT_THAT(Subscribe("three"), TooMuch());
  EXPECT_THAT(MakeRoute("three"), TooMuch());
  ASSERT_THAT(rig_.Subscribe(Queue("plain")), IsOk());
  v1::Subscription changed = Queue("plain");
  *changed.mutable_filter() = Large();
  EXPECT_THAT(rig_.UpdateSubscription(changed, {"filter"}), TooMuch());
  ASSERT_THAT(DropRoute("two"), IsOk());
  // A deleted object is freed when the last task that uses it has ended.
  EXPECT_TRUE(Eventually([&] { return rig_.UpdateSubscription(changed, {"filter"}).ok(); }));
  EXPECT_THAT(MakeRoute("three"), TooMuch());
  ASSERT_THAT(rig_.DeleteSubscription("one"), IsOk());
  EXPECT_TRUE(Eventually([&] { return MakeRoute("three").ok(); }));
}

// Accepted filters are loaded, whatever the limit is now.
TEST_F(FilterLimitsTest, ALowerLimitKeepsWhatThereIs) {
  ASSERT_THAT(Subscribe("one"), IsOk());
  ASSERT_THAT(MakeRoute("two"), IsOk());
  rig_.Close();
  rig_.filter_bytes = 1000;
  ASSERT_THAT(rig_.Open(), IsOk());
  v1::GetRouteRequest request;
  request.set_name("two");
  EXPECT_THAT(rig_.broker().routes().Get(kTester, request), IsOk());
  EXPECT_NE(rig_.broker().subscriptions().catalog().Find("one"), nullptr);
  EXPECT_THAT(Subscribe("three"), TooMuch());
}

}  // namespace
}  // namespace eventhub
