// Routes: which events they copy, to which topics, and in which states of the hub.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"
#include "server/core/route/route_index.h"
#include "server/core/route/routes.h"
#include "tests/server/route_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class RouteTest : public RouteTestBase {};

TEST_F(RouteTest, CopiesToEachTargetInSameCommit) {
  ASSERT_THAT(rig_.Publish("a", {"before"}), IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::CreateRouteResponse made, rig_.CreateRoute("r", "a", {"b", "c"}));
  EXPECT_EQ(made.route().on_unavailable(), v1::Route::ON_UNAVAILABLE_FAIL);
  ASSERT_EQ(made.effective_size(), 1);
  EXPECT_EQ(made.effective(0).offset(), 1);
  ASSERT_THAT(rig_.CreateRoute("r2", "a", {"d"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"1", "2"}), IsOk());
  EXPECT_THAT(rig_.Ids("a"), ElementsAre("before", "1", "2"));
  for (const char* const topic : {"b", "c", "d"}) {
    EXPECT_THAT(rig_.Ids(topic), ElementsAre("1", "2"));
    EXPECT_EQ(rig_.TopicStatsOf(topic).routed_events(), 2u);
  }
  const v1::RouteStats stats = rig_.StatsOf("r");
  EXPECT_EQ(stats.matched_events(), 2u);
  EXPECT_EQ(stats.copied_events(), 4u);
  EXPECT_GT(stats.copied_bytes(), 0u);
  EXPECT_EQ(rig_.broker().GetStats(kTester).routes(), 2u);
  EXPECT_THAT(rig_.CreateRoute("r", "a", {"b"}),
              Refused(StatusCode::kAlreadyExists, v1::ErrorDetail::REASON_ROUTE_EXISTS));
  EXPECT_THAT(rig_.CreateRoute("x", "a", {"nowhere"}),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  EXPECT_THAT(rig_.CreateRoute("x", "nowhere", {"a"}),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  rig_.Reopen();
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("1", "2"));
  ASSERT_THAT(rig_.Publish("a", {"3"}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "2", "3"));
  ASSERT_OK_AND_ASSIGN(const v1::GetRouteResponse got, rig_.GetRoute("r"));
  EXPECT_EQ(got.route().SerializeAsString(), made.route().SerializeAsString());
  EXPECT_EQ(got.effective_size(), 0);
}

TEST_F(RouteTest, FiltersByTypeAndOtherAttributes) {
  v1::Route typed = RouteOf("typed", "a", {"b"});
  *typed.mutable_filter() = ExactFilter("type", "x");
  v1::Route by_subject = RouteOf("by-subject", "a", {"c"});
  by_subject.mutable_filter()->set_sql("subject = 's' AND type LIKE 'x%'");
  ASSERT_THAT(rig_.CreateRoute(typed), IsOk());
  ASSERT_THAT(rig_.CreateRoute(by_subject), IsOk());
  v1::Event with_subject = TypedEvent("4", "xy");
  with_subject.set_subject("s");
  ASSERT_THAT(rig_.PublishEvents("a", {TypedEvent("1", "x"), TypedEvent("2", "y"),
                                       TypedEvent("3", "x"), with_subject}),
              IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "3"));
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("4"));
  EXPECT_EQ(rig_.StatsOf("typed").matched_events(), 2u);
  EXPECT_EQ(rig_.StatsOf("by-subject").matched_events(), 1u);
  // A reader of the copies that match a filter.
  v1::ReadRequest read = ReadOf("b");
  *read.mutable_filter() = ExactFilter("type", "x");
  EXPECT_THAT(rig_.Read(read)->Ids(), ElementsAre("1", "3"));
  rig_.Reopen();  // Read from disk.
  EXPECT_THAT(rig_.Read(read)->Ids(), ElementsAre("1", "3"));
  *read.mutable_filter() = ExactFilter("type", "y");
  EXPECT_THAT(rig_.Read(read)->Ids(), IsEmpty());
}

TEST_F(RouteTest, FollowsChainsAndEachPathOfDiamond) {
  ASSERT_THAT(rig_.CreateRoute("ab", "a", {"b"}), IsOk());
  ASSERT_THAT(rig_.CreateRoute("bd", "b", {"d"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  EXPECT_THAT(rig_.Ids("d"), ElementsAre("1"));
  ASSERT_THAT(rig_.CreateRoute("ac", "a", {"c"}), IsOk());
  ASSERT_THAT(rig_.CreateRoute("cd", "c", {"d"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"2"}), IsOk());
  EXPECT_THAT(rig_.Ids("d"), ElementsAre("1", "2", "2"));
  // Events published further down the chain continue from there.
  ASSERT_THAT(rig_.Publish("c", {"3"}), IsOk());
  EXPECT_THAT(rig_.Ids("d"), ElementsAre("1", "2", "2", "3"));
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "2"));
}

TEST(RouteGraphTest, RejectsVeryLongChain) {
  std::vector<v1::Route> routes(300'000);
  std::vector<const v1::Route*> all;
  for (size_t i = 0; i < routes.size(); ++i) {
    routes[i].set_source_topic(absl::StrFormat("t%06d", i));
    routes[i].add_target_topics(absl::StrFormat("t%06d", i + 1));
    all.push_back(&routes[i]);
  }
  EXPECT_THAT(CheckRouteGraph(all).message(),
              HasSubstr("more than 8 routes: t000000 -> t000001 -> "));
}

TEST_F(RouteTest, RejectsLoopsAndLongPaths) {
  ASSERT_THAT(rig_.CreateRoute("ab", "a", {"b"}), IsOk());
  v1::Route off = RouteOf("bc", "b", {"c"});
  off.set_disabled(true);
  ASSERT_THAT(rig_.CreateRoute(off), IsOk());
  const absl::Status loop = rig_.CreateRoute("ca", "c", {"d", "a"}).status();
  EXPECT_THAT(loop, Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_ROUTE_LOOP));
  EXPECT_THAT(std::string(loop.message()), HasSubstr("a -> b -> c -> a"));
  ASSERT_THAT(rig_.CreateRoute("ca", "c", {"d"}), IsOk());
  EXPECT_THAT(rig_.UpdateRoute(RouteOf("ca", "", {"a"}), {"target_topics"}),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_ROUTE_LOOP));
  for (int i = 0; i <= 9; ++i) ASSERT_THAT(rig_.Create(absl::StrCat("t", i)), IsOk());
  for (int i = 0; i < 8; ++i) {
    ASSERT_THAT(
        rig_.CreateRoute(absl::StrCat("t", i), absl::StrCat("t", i), {absl::StrCat("t", i + 1)}),
        IsOk());
  }
  const absl::Status far = rig_.CreateRoute("t8", "t8", {"t9"}).status();
  EXPECT_THAT(far, Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_ROUTE_LOOP));
  EXPECT_THAT(std::string(far.message()), HasSubstr("t0 -> t1 -> t2"));
  ASSERT_THAT(rig_.Publish("t0", {"1"}), IsOk());
  EXPECT_THAT(rig_.Ids("t8"), ElementsAre("1"));
}

TEST_F(RouteTest, SetsKeyAndAttributesOfCopies) {
  ASSERT_THAT(rig_.Create("wide", 8), IsOk());
  v1::Route by_attribute = RouteOf("1", "a", {"wide"});
  by_attribute.mutable_partition_key()->set_from_attribute("customer");
  v1::AttributeValue value;
  value.set_integer(7);
  (*by_attribute.mutable_set_attributes())["rank"] = value;
  value.set_string("new");
  (*by_attribute.mutable_set_attributes())["old"] = value;
  v1::Route constant = RouteOf("2", "a", {"b"});
  constant.mutable_partition_key()->set_constant("k");
  v1::Route none = RouteOf("3", "a", {"c"});
  none.mutable_partition_key()->set_none(true);
  for (const v1::Route& route : {by_attribute, constant, none}) {
    ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  }
  std::vector<v1::Event> events;
  for (int i = 0; i < 16; ++i) {
    v1::Event event = MakeEvent(absl::StrCat(i), "key");
    value.set_string(absl::StrCat("customer", i % 8));
    if (i > 0) (*event.mutable_attributes())["customer"] = value;
    value.set_string("old");
    (*event.mutable_attributes())["old"] = value;
    events.push_back(event);
  }
  ASSERT_THAT(rig_.PublishEvents("a", events), IsOk());
  const std::vector<v1::Event> wide = rig_.Events("wide");
  ASSERT_THAT(wide, SizeIs(16));
  for (const v1::Event& event : wide) {
    const bool first = event.id() == "0";
    EXPECT_EQ(event.partition_key(), first ? "" : event.attributes().at("customer").string());
    EXPECT_EQ(event.attributes().at("rank").integer(), 7);
    EXPECT_EQ(event.attributes().at("old").string(), "new");
  }
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read("wide"));
  std::map<std::string, uint32_t> partition_of;
  for (const auto& [partition, list] : read.events) {
    for (const Delivered::Event& event : list) partition_of[event.id] = partition;
  }
  for (int i = 1; i < 8; ++i) {
    EXPECT_EQ(partition_of[absl::StrCat(i)], wire::PartitionOfKey(absl::StrCat("customer", i), 8));
    EXPECT_EQ(partition_of[absl::StrCat(i)], partition_of[absl::StrCat(i + 8)]);
  }
  for (const v1::Event& event : rig_.Events("b")) EXPECT_EQ(event.partition_key(), "k");
  for (const v1::Event& event : rig_.Events("c")) {
    EXPECT_EQ(event.partition_key(), "");
    EXPECT_EQ(event.attributes().at("old").string(), "old");
  }
}

TEST_F(RouteTest, ChangesApplyFromReportedOffset) {
  ASSERT_THAT(rig_.CreateRoute("r", "a", {"b"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::UpdateRouteResponse moved,
                       rig_.UpdateRoute(RouteOf("r", "", {"c"}), {"target_topics"}));
  EXPECT_EQ(moved.effective(0).offset(), 1);
  ASSERT_THAT(rig_.Publish("a", {"2"}), IsOk());
  v1::Route off = RouteOf("r", "", {});
  off.set_disabled(true);
  ASSERT_THAT(rig_.UpdateRoute(off, {"disabled"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"3"}), IsOk());
  rig_.Reopen();
  ASSERT_THAT(rig_.Publish("a", {"4"}), IsOk());
  off.set_disabled(false);
  *off.mutable_filter() = ExactFilter("id", "6");
  ASSERT_OK_AND_ASSIGN(const v1::UpdateRouteResponse on,
                       rig_.UpdateRoute(off, {"disabled", "filter"}));
  EXPECT_EQ(on.effective(0).offset(), 4);
  EXPECT_EQ(rig_.GetRoute("r")->effective(0).offset(), 4);
  ASSERT_THAT(rig_.Publish("a", {"5", "6"}), IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::DeleteRouteResponse gone, rig_.DeleteRoute("r"));
  EXPECT_EQ(gone.effective(0).offset(), 6);
  ASSERT_THAT(rig_.Publish("a", {"6"}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("2", "6"));
  EXPECT_THAT(rig_.DeleteRoute("r"),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_ROUTE_NOT_FOUND));
  EXPECT_THAT(rig_.UpdateRoute(off, {"filter"}),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_ROUTE_NOT_FOUND));
  EXPECT_THAT(rig_.GetRoute("r"),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_ROUTE_NOT_FOUND));
  rig_.Reopen();
  EXPECT_EQ(rig_.broker().GetStats(kTester).routes(), 0u);
}

TEST_F(RouteTest, OversizedEventIsRejectedOrSkipped) {
  v1::Topic small;
  small.set_name("small");
  small.set_max_event_bytes(1024);
  ASSERT_THAT(rig_.Create(small), IsOk());
  v1::Route route = RouteOf("r", "a", {"b", "small"});
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  const std::vector<v1::Event> events = {MakeEvent("1"), MakeEvent("2", "", std::string(2000, 'x')),
                                         MakeEvent("3")};
  EXPECT_THAT(
      rig_.PublishEvents("a", events),
      Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_ROUTE_TARGET_UNAVAILABLE));
  for (const char* const topic : {"a", "b", "small"}) EXPECT_THAT(rig_.Ids(topic), IsEmpty());
  EXPECT_EQ(rig_.StatsOf("r").failed_requests(), 1u);
  EXPECT_EQ(rig_.StatsOf("r").matched_events(), 0u);
  EXPECT_THAT(rig_.StatsOf("r").last_failure(), HasSubstr("accepts at most 1024"));
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(rig_.UpdateRoute(route, {"on_unavailable"}), IsOk());
  ASSERT_THAT(rig_.PublishEvents("a", events), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(rig_.Ids("small"), ElementsAre("1", "3"));
  EXPECT_EQ(rig_.StatsOf("r").skipped_events(), 1u);
  EXPECT_EQ(rig_.StatsOf("r").copied_events(), 5u);
  EXPECT_EQ(rig_.StatsOf("r").failed_requests(), 1u);
}

TEST_F(RouteTest, CountsAbandonedFilters) {
  v1::Route route = RouteOf("r", "a", {"b"});
  std::string costly = "LENGTH(big) = 1";
  for (int i = 0; i < 60; ++i) absl::StrAppend(&costly, " OR LENGTH(big) = 1");
  route.mutable_filter()->set_sql(costly);
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  v1::Event big = MakeEvent("1");
  (*big.mutable_attributes())["big"].set_string(std::string(500'000, 'x'));
  ASSERT_THAT(rig_.PublishEvents("a", {big, MakeEvent("2")}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), IsEmpty());
  EXPECT_EQ(rig_.StatsOf("r").too_costly_events(), 1u);
  EXPECT_EQ(rig_.StatsOf("r").matched_events(), 0u);
}

TEST_F(RouteTest, RecreatedTargetReceivesCopiesAgain) {
  ASSERT_THAT(rig_.CreateRoute("ab", "a", {"b"}), IsOk());
  v1::Route skips = RouteOf("bc", "b", {"c"});
  skips.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(rig_.CreateRoute(skips), IsOk());
  EXPECT_THAT(rig_.Delete("b"),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_IN_USE));
  ASSERT_THAT(rig_.Delete("c"), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
  EXPECT_EQ(rig_.StatsOf("bc").skipped_events(), 1u);
  EXPECT_THAT(rig_.StatsOf("bc").last_failure(), HasSubstr("does not exist"));
  rig_.Reopen();
  ASSERT_THAT(rig_.Publish("a", {"2"}), IsOk());
  // Other changes are possible without it.
  v1::Route named = skips;
  named.set_description("kept");
  ASSERT_THAT(rig_.UpdateRoute(named, {"description"}), IsOk());
  ASSERT_THAT(rig_.Create("c"), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"3"}), IsOk());
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("3"));
  rig_.Reopen();
  ASSERT_THAT(rig_.Publish("a", {"4"}), IsOk());
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("3", "4"));
}

TEST_F(RouteTest, SkippingRouteMayNameMissingTargets) {
  v1::Route route = RouteOf("r", "a", {"b", "later"});
  EXPECT_THAT(rig_.CreateRoute(route),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  EXPECT_THAT(rig_.CreateRoute(RouteOf("r", "nowhere", {"b"})),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  v1::TestRoutesRequest pretended;
  pretended.set_topic("a");
  *pretended.mutable_event() = MakeEvent("1");
  *pretended.mutable_route() = route;
  ASSERT_OK_AND_ASSIGN(const v1::TestRoutesResponse said,
                       rig_.broker().routes().Test(kTester, pretended));
  EXPECT_EQ(said.traces(1).outcome(), v1::RouteTrace::OUTCOME_SKIPPED);
  EXPECT_THAT(said.topics(), ElementsAre("a", "b"));
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  // No loop may pass through a missing topic either.
  EXPECT_THAT(rig_.CreateRoute("back", "b", {"a"}),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_ROUTE_LOOP));
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
  EXPECT_EQ(rig_.StatsOf("r").skipped_events(), 1u);
  rig_.Reopen();
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_FAIL);
  EXPECT_THAT(rig_.UpdateRoute(route, {"on_unavailable"}),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  route.add_target_topics("last");
  ASSERT_THAT(rig_.UpdateRoute(route, {"target_topics"}), IsOk());
  ASSERT_THAT(rig_.Create("later"), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"2"}), IsOk());
  EXPECT_THAT(rig_.Ids("later"), ElementsAre("2"));
  ASSERT_THAT(rig_.Create("last"), IsOk());
  ASSERT_THAT(rig_.UpdateRoute(route, {"on_unavailable"}), IsOk());
  EXPECT_THAT(rig_.Delete("last"),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_IN_USE));
  ASSERT_THAT(rig_.Publish("a", {"3"}), IsOk());
  EXPECT_THAT(rig_.Ids("last"), ElementsAre("3"));
}

TEST_F(RouteTest, DeletingSourceDeletesRoutesOnRequest) {
  ASSERT_THAT(rig_.CreateRoute("bc", "b", {"c"}), IsOk());
  EXPECT_THAT(rig_.Delete("b"),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_IN_USE));
  ASSERT_THAT(rig_.DeleteWithRoutes("b"), IsOk());
  EXPECT_THAT(rig_.GetRoute("bc"),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_ROUTE_NOT_FOUND));
  ASSERT_THAT(rig_.Create("b"), IsOk());
  ASSERT_THAT(rig_.Publish("b", {"1"}), IsOk());
  EXPECT_THAT(rig_.Ids("c"), IsEmpty());
  rig_.Reopen();
  EXPECT_EQ(rig_.broker().GetStats(kTester).routes(), 0u);
  EXPECT_THAT(rig_.Delete("c"), IsOk());
}

TEST_F(RouteTest, ProducerRetryIsNotRoutedAgain) {
  ASSERT_THAT(rig_.CreateRoute("r", "a", {"b"}), IsOk());
  v1::PublishStreamRequest request = MakeRequest("a", {"1"});
  request.set_producer_id("p");
  request.set_producer_epoch(1);
  ASSERT_THAT(rig_.Publish(request), IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult again, rig_.Publish(request));
  EXPECT_TRUE(again.duplicate());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
}

TEST_F(RouteTest, TransactionsAreRouted) {
  ASSERT_THAT(rig_.CreateRoute("ab", "a", {"b"}), IsOk());
  v1::TransactRequest request;
  for (const char* const topic : {"a", "c", "a"}) {
    v1::TransactAppend& append = *request.add_appends();
    append.set_topic(topic);
    *append.add_events() = MakeEvent(absl::StrCat(request.appends_size()));
  }
  const auto transact = [&] {
    const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    std::promise<absl::Status> outcome;
    rig_.broker().transactions().Transact(kTester, *parsed,
                                          [&](auto r) { outcome.set_value(r.status()); });
    return outcome.get_future().get();
  };
  ASSERT_THAT(transact(), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "3"));
  v1::Topic small;
  small.set_name("b");
  small.set_max_event_bytes(1024);
  ASSERT_THAT(rig_.Update(small, {"max_event_bytes"}), IsOk());
  request.mutable_appends(2)->mutable_events(0)->set_data(std::string(2000, 'x'));
  EXPECT_THAT(transact(), Refused(StatusCode::kFailedPrecondition,
                                  v1::ErrorDetail::REASON_ROUTE_TARGET_UNAVAILABLE));
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "3"));
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("2"));
}

TEST_F(RouteTest, DeadLettersAreRouted) {
  v1::Subscription subscription = SubscriptionOf("s", "a", v1::Subscription::KIND_QUEUE);
  ASSERT_THAT(rig_.Subscribe(subscription), IsOk());
  ASSERT_THAT(rig_.CreateRoute("letters", "s.dead-letters", {"b"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(1);
  consumer->Nack(events[0], v1::Nack::ACTION_PARK, "bad");
  rig_.AwaitParking("s");
  EXPECT_THAT(rig_.DeadLetters("s"), SizeIs(1));
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
}

TEST_F(RouteTest, TargetLimitDoesNotBlockDeadLetters) {
  ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "a", v1::Subscription::KIND_QUEUE)), IsOk());
  v1::Topic small;
  small.set_name("b");
  small.set_max_event_bytes(10);
  ASSERT_THAT(rig_.Update(small, {"max_event_bytes"}), IsOk());
  ASSERT_THAT(rig_.CreateRoute("letters", "s.dead-letters", {"b", "c"}), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  consumer->Nack(consumer->Receive(1)[0], v1::Nack::ACTION_PARK, "bad");
  rig_.AwaitParking("s");
  EXPECT_THAT(rig_.DeadLetters("s"), SizeIs(1)) << "though the route does not skip";
  EXPECT_THAT(rig_.Ids("b"), IsEmpty());
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("1"));
}

TEST_F(RouteTest, SetsAttributesBeyondAttributeLimit) {
  v1::Route route = RouteOf("r", "a", {"b"});
  (*route.mutable_set_attributes())["set"].set_integer(1);
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  v1::Event event = MakeEvent("1");
  for (int i = 0; i < 256; ++i) {
    (*event.mutable_attributes())["a" + std::to_string(i)].set_integer(i);
  }
  ASSERT_THAT(rig_.PublishEvents("a", {event}), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
}

TEST_F(RouteTest, TracesEventWithoutPublishing) {
  v1::Route filtered = RouteOf("1", "a", {"b"});
  *filtered.mutable_filter() = ExactFilter("type", "x");
  v1::Route off = RouteOf("2", "a", {"b"});
  off.set_disabled(true);
  for (const v1::Route& route :
       {filtered, off, RouteOf("3", "a", {"c"}), RouteOf("4", "c", {"d"})}) {
    ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  }
  v1::TestRoutesRequest request;
  request.set_topic("a");
  *request.mutable_event() = TypedEvent("1", "y", "key");
  ASSERT_OK_AND_ASSIGN(v1::TestRoutesResponse said, rig_.broker().routes().Test(kTester, request));
  ASSERT_EQ(said.traces_size(), 4);
  EXPECT_EQ(said.traces(0).outcome(), v1::RouteTrace::OUTCOME_FILTERED);
  EXPECT_EQ(said.traces(1).outcome(), v1::RouteTrace::OUTCOME_DISABLED);
  EXPECT_EQ(said.traces(2).outcome(), v1::RouteTrace::OUTCOME_COPIED);
  EXPECT_EQ(said.traces(2).partition_key(), "key");
  EXPECT_EQ(said.traces(3).target_topic(), "d");
  EXPECT_EQ(said.traces(3).depth(), 1u);
  EXPECT_THAT(said.topics(), ElementsAre("a", "c", "d"));
  EXPECT_EQ(said.refusal(), "");
  *request.mutable_route() = RouteOf("1", "a", {"b"});
  ASSERT_OK_AND_ASSIGN(said, rig_.broker().routes().Test(kTester, request));
  EXPECT_THAT(said.topics(), ElementsAre("a", "b", "c", "d"));
  v1::Topic small;
  small.set_name("d");
  small.set_max_event_bytes(1024);
  ASSERT_THAT(rig_.Update(small, {"max_event_bytes"}), IsOk());
  request.mutable_event()->set_data(std::string(2000, 'x'));
  ASSERT_OK_AND_ASSIGN(said, rig_.broker().routes().Test(kTester, request));
  EXPECT_EQ(said.traces(said.traces_size() - 1).outcome(), v1::RouteTrace::OUTCOME_REFUSED);
  EXPECT_THAT(said.refusal(), HasSubstr("accepts at most 1024"));
  request.mutable_event()->clear_type();
  EXPECT_THAT(rig_.broker().routes().Test(kTester, request),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  *request.mutable_route() = RouteOf("x", "d", {"a"});
  EXPECT_THAT(rig_.broker().routes().Test(kTester, request),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_ROUTE_LOOP));
  EXPECT_THAT(rig_.Ids("a"), IsEmpty());
}

TEST_F(RouteTest, ListsByPageAndTopic) {
  ASSERT_THAT(rig_.CreateRoute("1", "a", {"b"}), IsOk());
  ASSERT_THAT(rig_.CreateRoute("2", "c", {"d"}), IsOk());
  ASSERT_THAT(rig_.CreateRoute("3", "b", {"c"}), IsOk());
  v1::ListRoutesRequest request;
  request.set_page_size(2);
  request.set_topic("b");
  ASSERT_OK_AND_ASSIGN(v1::ListRoutesResponse page, rig_.broker().routes().List(kTester, request));
  ASSERT_EQ(page.routes_size(), 2);
  EXPECT_EQ(page.routes(1).name(), "3");
  EXPECT_EQ(page.next_page_token(), "");
  request.clear_topic();
  ASSERT_OK_AND_ASSIGN(page, rig_.broker().routes().List(kTester, request));
  EXPECT_EQ(page.next_page_token(), "2");
  request.set_page_token("2");
  ASSERT_OK_AND_ASSIGN(page, rig_.broker().routes().List(kTester, request));
  ASSERT_EQ(page.routes_size(), 1);
  EXPECT_EQ(page.routes(0).name(), "3");
}

TEST_F(RouteTest, NamesInvalidField) {
  const auto field_of = [&](auto change) -> std::string {
    v1::Route route = RouteOf("r", "a", {"b"});
    change(route);
    const absl::Status status = rig_.CreateRoute(route).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
    return DetailOf(status).value_or(v1::ErrorDetail()).field();
  };
  EXPECT_EQ(field_of([](auto& r) { r.set_name("-"); }), "route.name");
  EXPECT_EQ(field_of([](auto& r) { r.clear_source_topic(); }), "route.source_topic");
  EXPECT_EQ(field_of([](auto& r) { r.clear_target_topics(); }), "route.target_topics");
  EXPECT_EQ(field_of([](auto& r) { r.add_target_topics("a"); }), "route.target_topics");
  EXPECT_EQ(field_of([](auto& r) { r.add_target_topics("b"); }), "route.target_topics");
  EXPECT_EQ(field_of([](auto& r) { r.add_target_topics("?"); }), "route.target_topics");
  EXPECT_EQ(field_of([](auto& r) {
              for (int i = 0; i < 64; ++i) r.add_target_topics(absl::StrCat("t", i));
            }),
            "route.target_topics");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_partition_key(); }), "route.partition_key");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_partition_key()->set_constant(""); }),
            "route.partition_key.constant");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_partition_key()->set_from_attribute("data"); }),
            "route.partition_key.from_attribute");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_partition_key()->set_from_attribute(""); }),
            "route.partition_key.from_attribute");
  EXPECT_EQ(field_of([](auto& r) { (*r.mutable_set_attributes())["id"].set_string("x"); }),
            "route.set_attributes");
  EXPECT_EQ(field_of([](auto& r) { (*r.mutable_set_attributes())[""].set_string("x"); }),
            "route.set_attributes");
  EXPECT_EQ(field_of([](auto& r) {
              for (int i = 0; i < 33; ++i) {
                (*r.mutable_set_attributes())[absl::StrCat("n", i)].set_string("x");
              }
            }),
            "route.set_attributes");
  EXPECT_EQ(
      field_of([](auto& r) { r.set_on_unavailable(static_cast<v1::Route::OnUnavailable>(9)); }),
      "route.on_unavailable");
  EXPECT_EQ(field_of([](auto& r) { r.set_description(std::string(1025, 'x')); }),
            "route.description");
  EXPECT_EQ(field_of([](auto& r) { r.mutable_filter()->set_sql("type ="); }), "route.filter.sql");
  ASSERT_THAT(rig_.CreateRoute("r", "a", {"b"}), IsOk());
  for (const std::vector<std::string>& mask :
       {std::vector<std::string>{}, {"name"}, {"source_topic"}, {"create_time"}}) {
    const absl::Status status = rig_.UpdateRoute(RouteOf("r", "", {}), mask).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailOf(status)->field(), "update_mask");
  }
}

}  // namespace
}  // namespace eventhub
