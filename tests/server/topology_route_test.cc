// Routes in a topology: created after their topics, changed, pruned, exported; their faults are
// reported before any change.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/topology_rig.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kTopics[] = R"(
  topics { name: "audit" } topics { name: "bus" retention { none: true } } topics { name: "shop" }
)";
constexpr char kRoutes[] = R"(
  routes { name: "audit" source_topic: "bus" target_topics: "audit"
           on_unavailable: ON_UNAVAILABLE_SKIP partition_key { from_attribute: "subject" } }
  routes { name: "shop" source_topic: "bus" target_topics: "shop" target_topics: "audit"
           filter { sql: "type LIKE 'shop.%'" } description: "what is sold"
           set_attributes { key: "z" value { integer: 7 } }
           set_attributes { key: "b" value { boolean: true } }
           set_attributes { key: "channel" value { string: "shop" } } }
)";

class TopologyRouteTest : public TopologyTest {
 protected:
  std::vector<std::string> Faults(const std::string& text, bool prune = false) {
    return absl::StrSplit(Refusal(text, prune), '\n');
  }
  std::vector<std::string> Ids(const std::string& topic) {
    const absl::StatusOr<Delivered> read = rig_.Read(topic);
    EXPECT_THAT(read, IsOk());
    return read.ok() ? read->Ids() : std::vector<std::string>();
  }
  // The routes and their topics in one text; routes come first, since the order does not matter.
  const std::string all_ = std::string(kRoutes) + kTopics;
};

TEST_F(TopologyRouteTest, CreatesRoutesAfterTheirTopics) {
  EXPECT_THAT(
      MustApply(all_),
      ElementsAre(
          "create topic audit", "create topic bus: retention.none ->true", "create topic shop",
          R"(create route audit: source_topic ->"bus", target_topics ->["audit"], )"
          R"(partition_key ->{"fromAttribute":"subject"}, on_unavailable ->"ON_UNAVAILABLE_SKIP")",
          R"(create route shop: source_topic ->"bus", filter ->{"sql":"type LIKE 'shop.%'"}, )"
          R"(target_topics ->["shop","audit"], set_attributes ->{"b":{"boolean":true},)"
          R"("channel":{"string":"shop"},"z":{"integer":7}}, description ->"what is sold")"));
  ASSERT_THAT(rig_.Publish("bus", {"1"}), IsOk());
  EXPECT_THAT(Ids("audit"), ElementsAre("1"));
  EXPECT_THAT(Ids("shop"), IsEmpty());  // Because of the filter.
  EXPECT_THAT(MustApply(all_, /*prune=*/true), IsEmpty());
  rig_.Reopen();
  EXPECT_THAT(MustApply(all_, /*prune=*/true), IsEmpty());
}

TEST_F(TopologyRouteTest, ExportsRoutesWithoutDefaults) {
  MustApply(all_);
  const v1::Topology exported = Export();
  EXPECT_EQ(exported.DebugString(), TopologyOf(all_).DebugString());
  SubscriptionRig other;
  ASSERT_THAT(other.Open(), IsOk());
  v1::ApplyTopologyRequest request;
  *request.mutable_topology() = exported;
  ASSERT_OK_AND_ASSIGN(const auto made, ApplyTo(other, request));
  EXPECT_FALSE(made.has_error());
  EXPECT_EQ(ExportOf(other).DebugString(), exported.DebugString());
}

TEST_F(TopologyRouteTest, UpdatesRoutesFieldByField) {
  MustApply(all_);
  EXPECT_THAT(
      MustApply(std::string(kTopics) + R"(
        routes { name: "audit" source_topic: "bus" target_topics: "audit" target_topics: "shop"
                 disabled: true filter { exact { values { key: "type" value: "test" } } } }
        routes { name: "shop" source_topic: "bus" target_topics: "shop"
                 filter { sql: "type LIKE 'shop.%'" } description: "what is sold" })",
                /*prune=*/true),
      ElementsAre(
          R"(update route audit: filter ->{"exact":{"values":{"type":"test"}}}, )"
          R"(target_topics ["audit"]->["audit","shop"], )"
          R"(partition_key {"fromAttribute":"subject"}->, disabled ->true, )"
          R"(on_unavailable "ON_UNAVAILABLE_SKIP"->"ON_UNAVAILABLE_FAIL")",
          R"(update route shop: target_topics ["shop","audit"]->["shop"], )"
          R"(set_attributes {"b":{"boolean":true},"channel":{"string":"shop"},"z":{"integer":7}}->)"));
  ASSERT_THAT(rig_.Publish("bus", {"1"}), IsOk());
  EXPECT_THAT(Ids("audit"), IsEmpty());
}

TEST_F(TopologyRouteTest, RejectsChangeOfSource) {
  MustApply(all_);
  EXPECT_THAT(
      Faults(R"(routes { name: "audit" source_topic: "shop" target_topics: "audit" })"),
      testing::Contains(R"(route audit: source_topic: cannot be changed from "bus" to "shop")"));
}

TEST_F(TopologyRouteTest, PrunesRoutesBeforeTheirTopics) {
  MustApply(all_);
  ASSERT_OK_AND_ASSIGN(const auto kept, Apply(kTopics));
  EXPECT_THAT(Names(kept.unnamed()), ElementsAre("delete route audit", "delete route shop"));
  EXPECT_THAT(MustApply(R"(topics { name: "audit" })", /*prune=*/true),
              ElementsAre("delete route audit", "delete route shop", "delete topic bus",
                          "delete topic shop"));
  EXPECT_EQ(Export().DebugString(), TopologyOf(R"(topics { name: "audit" })").DebugString());
}

TEST_F(TopologyRouteTest, DeletesOppositeRouteBeforeCreation) {
  MustApply(R"(topics { name: "a" } topics { name: "b" }
               routes { name: "z" source_topic: "b" target_topics: "a" })");
  EXPECT_THAT(MustApply(R"(topics { name: "a" } topics { name: "b" }
                           routes { name: "n" source_topic: "a" target_topics: "b" })",
                        /*prune=*/true),
              ElementsAre("delete route z",
                          R"(create route n: source_topic ->"a", target_topics ->["b"])"));
}

// All faults are reported, and nothing changes: Refusal compares the exports before and after.
TEST_F(TopologyRouteTest, ValidatesRoutesBeforeAnyChange) {
  EXPECT_THAT(
      Faults(R"(
        topics { name: "a" } topics { name: "b" }
        routes { name: "filter" source_topic: "a" target_topics: "b" filter { sql: "type LIKE" } }
        routes { name: "dialect" source_topic: "a" target_topics: "b" filter { } }
        routes { name: "self" source_topic: "a" target_topics: "a" }
        routes { name: "none" source_topic: "a" }
        routes { name: "-" source_topic: "a" target_topics: "b" }
        routes { name: "key" source_topic: "a" target_topics: "b" partition_key { constant: "" } }
        routes { name: "names" source_topic: "a" target_topics: "b"
                 set_attributes { key: "id" value { string: "x" } } }
        routes { name: "from" source_topic: "nowhere" target_topics: "b" }
        routes { name: "to" source_topic: "a" target_topics: "nowhere" })"),
      ElementsAre(
          "route filter: filter.sql: line 1, column 10: expected a string literal after LIKE, "
          "found "
          "the end of the expression",
          HasSubstr("route dialect: filter: "), "route self: target_topics: includes the source, a",
          "route none: target_topics: is required",
          "route -: name: must consist of a-z A-Z 0-9 . _ - and start with a letter, a digit or _",
          HasSubstr("route key: partition_key.constant: "),
          "route names: set_attributes: 'id' has the name of an attribute that has its own field",
          "route from: source_topic: topic nowhere will not exist",
          "route to: target_topics: topic nowhere will not exist"));
}

TEST_F(TopologyRouteTest, DetectsLoopsThroughExistingRoutes) {
  MustApply(R"(topics { name: "a" } topics { name: "b" } topics { name: "c" }
               routes { name: "ab" source_topic: "a" target_topics: "b" })");
  const std::vector<std::string> faults = Faults(R"(
    routes { name: "bc" source_topic: "b" target_topics: "c" }
    routes { name: "ca" source_topic: "c" target_topics: "a" })");
  EXPECT_THAT(faults, testing::Each(HasSubstr("the routes make a loop: ")));
  EXPECT_THAT(faults[0], HasSubstr("a -> b -> c -> a"));
}

TEST_F(TopologyRouteTest, PruneRejectsDeletingNeededTopics) {
  MustApply(R"(topics { name: "a" } topics { name: "b" })");
  EXPECT_THAT(Faults(R"(topics { name: "a" }
                        routes { name: "r" source_topic: "a" target_topics: "b" })",
                     /*prune=*/true),
              ElementsAre("route r: target_topics: topic b will not exist"));
  EXPECT_THAT(Faults(R"(topics { name: "b" }
                        routes { name: "r" source_topic: "a" target_topics: "b"
                                 on_unavailable: ON_UNAVAILABLE_SKIP })",
                     /*prune=*/true),
              ElementsAre("route r: source_topic: topic a will not exist"));
}

// A state that one hub reaches by deletions can be created in another hub.
TEST_F(TopologyRouteTest, SkippingRouteMayNameMissingTarget) {
  const std::string route = R"(
    routes { name: "r" source_topic: "a" target_topics: "gone" target_topics: "here"
             on_unavailable: ON_UNAVAILABLE_SKIP })";
  MustApply(R"(topics { name: "a" } topics { name: "here" } topics { name: "gone" })" + route);
  ASSERT_THAT(rig_.Delete("gone"), IsOk());
  const v1::Topology exported = Export();
  ASSERT_OK_AND_ASSIGN(const auto same, Apply(exported, /*prune=*/true));
  EXPECT_THAT(same.changes(), IsEmpty());
  SubscriptionRig other;
  ASSERT_THAT(other.Open(), IsOk());
  v1::ApplyTopologyRequest request;
  *request.mutable_topology() = exported;
  ASSERT_OK_AND_ASSIGN(const auto made, ApplyTo(other, request));
  EXPECT_FALSE(made.has_error()) << made.error().ShortDebugString();
  EXPECT_EQ(ExportOf(other).DebugString(), exported.DebugString());
  ASSERT_THAT(other.Publish("a", {"1"}), IsOk());
  EXPECT_THAT(other.Read("here")->Ids(), ElementsAre("1"));
  // Prune deletes an unnamed target, like a deletion.
  EXPECT_THAT(MustApply(R"(topics { name: "a" })" + route, /*prune=*/true),
              ElementsAre("delete topic here"));
  // It cannot become a route that fails without its target.
  EXPECT_THAT(Faults(R"(routes { name: "r" source_topic: "a" target_topics: "gone" })"),
              ElementsAre("route r: target_topics: topic gone will not exist"));
  EXPECT_THAT(MustApply(R"(topics { name: "gone" })" + route), ElementsAre("create topic gone"));
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  EXPECT_THAT(Ids("gone"), ElementsAre("1"));
}

}  // namespace
}  // namespace eventhub
