// Plans of the copies that routes make.
#include "server/core/route/route_plan.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/route_rig.h"

namespace eventhub {
namespace {

class RoutePlanTest : public RouteTestBase {
 protected:
  // The subject is not part of what a set decides without running filters.
  static v1::Event WithSubject(const std::string& id, const std::string& subject) {
    v1::Event event = MakeEvent(id);
    event.set_subject(subject);
    return event;
  }

  static std::vector<PartitionAppend> AppendsOf(const TopicView& view,
                                                const std::vector<v1::Event>& events) {
    v1::PublishRequest request;
    for (const v1::Event& event : events) *request.add_events() = event;
    return {{view.partitions[0], SharedBytes::Copy(request.SerializeAsString()),
             static_cast<uint32_t>(events.size())}};
  }
};

// The commit thread plans again if some of the events are duplicates.
TEST_F(RoutePlanTest, FiltersDoNotRunAgainOnPartOfEvents) {
  v1::Route first = RouteOf("ab", "a", {"b"});
  *first.mutable_filter() = ExactFilter("subject", "x");
  ASSERT_THAT(rig_.CreateRoute(first), IsOk());
  v1::Route second = RouteOf("bc", "b", {"c"});
  *second.mutable_filter() = ExactFilter("subject", "x");
  ASSERT_THAT(rig_.CreateRoute(second), IsOk());
  const auto view = rig_.broker().topics().catalog().Find("a")->view();

  const v1::Event one = WithSubject("1", "x");
  const v1::Event two = WithSubject("2", "x");
  const v1::Event other = WithSubject("3", "y");
  std::unique_ptr<RoutePlan> plan =
      PlanRoutes(view->routes, AppendsOf(*view, {one, two, other}), 0, PlanFor::kPublisher, nullptr,
                 std::make_unique<FilterResults>());
  ASSERT_EQ(plan->hops.size(), 2u);
  EXPECT_EQ(plan->hops[0].matched, 2u);
  EXPECT_EQ(plan->hops[1].matched, 2u);
  ASSERT_NE(plan->results, nullptr);
  EXPECT_EQ(plan->results->bytes(), (3 + 2) * FilterResults::kBytes);

  // A result that no filter would have.
  plan->results->Add(*view->routes, two.SerializeAsString(), {});
  plan = PlanRoutes(view->routes, AppendsOf(*view, {two, other}), 0, PlanFor::kSubset, nullptr,
                    std::move(plan->results));
  EXPECT_TRUE(plan->hops.empty());
  EXPECT_EQ(plan->untaken, 2u);
  EXPECT_EQ(plan->results->bytes(), (3 + 2) * FilterResults::kBytes);
}

TEST_F(RoutePlanTest, WithoutResultsFiltersRun) {
  v1::Route route = RouteOf("ab", "a", {"b"});
  *route.mutable_filter() = ExactFilter("subject", "x");
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  const auto view = rig_.broker().topics().catalog().Find("a")->view();
  const std::unique_ptr<RoutePlan> plan =
      PlanRoutes(view->routes, AppendsOf(*view, {WithSubject("1", "x"), WithSubject("2", "y")}), 0,
                 PlanFor::kPublisher, nullptr);
  ASSERT_EQ(plan->hops.size(), 1u);
  EXPECT_EQ(plan->hops[0].matched, 1u);
  EXPECT_EQ(plan->results, nullptr);
}

}  // namespace
}  // namespace eventhub
