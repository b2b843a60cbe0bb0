// RouteService over gRPC: each method, what it refuses, and the effect of routes on publishers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using v1::ErrorDetail;

const auto kBadRoute = FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD);
const auto kNoRoute = FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_ROUTE_NOT_FOUND);
const auto kNoRouteTopic = FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND);
const auto kRouteLoop = FailsWith(StatusCode::FAILED_PRECONDITION, ErrorDetail::REASON_ROUTE_LOOP);
const auto kRouteUsesTopic =
    FailsWith(StatusCode::FAILED_PRECONDITION, ErrorDetail::REASON_TOPIC_IN_USE);

v1::Route NewRoute(const std::string& name, const std::string& source,
                   const std::vector<std::string>& targets) {
  v1::Route route;
  route.set_name(name);
  route.set_source_topic(source);
  for (const std::string& target : targets) route.add_target_topics(target);
  return route;
}

class RouteServiceTest : public testing::Test {
 protected:
  using Stub = v1::RouteService::Stub;

  void SetUp() override {
    for (const char* const topic : {"a", "b", "c"}) CreateTopic(hub_.client(), topic);
  }

  template <typename Request, typename Response>
  Outcome<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                      Response*),
                         const Request& request) {
    grpc::ClientContext context;
    Outcome<Response> outcome;
    outcome.status = (hub_.client().routes().*method)(&context, request, &outcome.response);
    return outcome;
  }
  Outcome<v1::CreateRouteResponse> Create(const v1::Route& route) {
    v1::CreateRouteRequest request;
    *request.mutable_route() = route;
    return Call(&Stub::CreateRoute, request);
  }
  Outcome<v1::UpdateRouteResponse> Update(const v1::Route& route,
                                          const std::vector<std::string>& mask) {
    v1::UpdateRouteRequest request;
    *request.mutable_route() = route;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    return Call(&Stub::UpdateRoute, request);
  }
  Outcome<v1::DeleteRouteResponse> Delete(const std::string& name) {
    v1::DeleteRouteRequest request;
    request.set_name(name);
    return Call(&Stub::DeleteRoute, request);
  }
  Outcome<v1::GetRouteResponse> Get(const std::string& name) {
    v1::GetRouteRequest request;
    request.set_name(name);
    return Call(&Stub::GetRoute, request);
  }
  grpc::Status DeleteTopic(const std::string& name, bool with_routes = false) {
    grpc::ClientContext context;
    v1::DeleteTopicRequest request;
    v1::DeleteTopicResponse response;
    request.set_name(name);
    request.set_delete_routes(with_routes);
    return hub_.client().admin().DeleteTopic(&context, request, &response);
  }
  void PublishIds(const std::string& topic, const std::vector<std::string>& ids) {
    v1::PublishRequest request;
    request.set_topic(topic);
    for (const std::string& id : ids) *request.add_events() = MakeEvent(id);
    Publish(hub_.client(), request);
  }
  std::vector<std::string> Ids(const std::string& topic) {
    return ReadAll(hub_.client(), ReadOf(topic)).ids();
  }
  // Returns the field in the refusal of a valid route after `change`.
  std::string FieldAtFault(const std::function<void(v1::Route&)>& change) {
    v1::Route route = NewRoute("bad", "a", {"b"});
    change(route);
    const grpc::Status status = Create(route).status;
    EXPECT_THAT(status, kBadRoute) << route.ShortDebugString();
    EXPECT_THAT(Get("bad").status, kNoRoute);
    return DetailOf(status).field();
  }

  TestHub hub_;
};

TEST_F(RouteServiceTest, CreateFillsInDefaultsAndStartsCopying) {
  PublishIds("a", {"before"});
  const auto created = Create(NewRoute("r", "a", {"b", "c"}));
  ASSERT_THAT(created.status, IsOk());
  const v1::Route& route = created.response.route();
  EXPECT_EQ(route.on_unavailable(), v1::Route::ON_UNAVAILABLE_FAIL);
  EXPECT_GT(route.create_time().seconds(), 0);
  EXPECT_EQ(route.update_time().ShortDebugString(), route.create_time().ShortDebugString());
  ASSERT_EQ(created.response.effective_size(), 1);
  EXPECT_EQ(created.response.effective(0).offset(), 1);
  PublishIds("a", {"1", "2"});
  EXPECT_THAT(Ids("b"), ElementsAre("1", "2"));
  EXPECT_THAT(Ids("c"), ElementsAre("1", "2"));
  const auto got = Get("r");
  EXPECT_EQ(got.response.route().SerializeAsString(), route.SerializeAsString());
  EXPECT_EQ(got.response.stats().matched_events(), 2u);
  EXPECT_EQ(got.response.stats().copied_events(), 4u);
  EXPECT_EQ(got.response.effective(0).offset(), 1);
  EXPECT_EQ(GetStats(hub_.client()).routes(), 1u);
}

TEST_F(RouteServiceTest, CreateRejectsInvalidRoutes) {
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.clear_source_topic(); }), "route.source_topic");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.clear_target_topics(); }), "route.target_topics");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.add_target_topics("a"); }), "route.target_topics");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.add_target_topics("b"); }), "route.target_topics");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.mutable_filter()->set_sql("type ="); }),
            "route.filter.sql");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) {
              r.mutable_filter()->mutable_all()->add_filters()->mutable_exact();
            }),
            "route.filter.all.filters[0].exact");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.mutable_filter(); }), "route.filter");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.mutable_partition_key(); }), "route.partition_key");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.mutable_partition_key()->set_constant(""); }),
            "route.partition_key.constant");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { (*r.mutable_set_attributes())["id"].set_string("x"); }),
            "route.set_attributes");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) {
              r.set_on_unavailable(static_cast<v1::Route::OnUnavailable>(9));
            }),
            "route.on_unavailable");
  EXPECT_EQ(FieldAtFault([](v1::Route& r) { r.set_description(std::string(1025, 'x')); }),
            "route.description");
  for (const std::string& name : {std::string(), std::string("a b"), std::string(201, 'x')}) {
    const grpc::Status status = Create(NewRoute(name, "a", {"b"})).status;
    EXPECT_THAT(status, kBadRoute);
    EXPECT_EQ(DetailOf(status).field(), "route.name");
  }
  EXPECT_THAT(Call(&Stub::CreateRoute, v1::CreateRouteRequest()).status, kBadRoute);
  EXPECT_THAT(Create(NewRoute("r", "none", {"b"})).status, kNoRouteTopic);
  EXPECT_THAT(Create(NewRoute("r", "a", {"none"})).status, kNoRouteTopic);
  ASSERT_THAT(Create(NewRoute("r", "a", {"b"})).status, IsOk());
  EXPECT_THAT(Create(NewRoute("r", "a", {"c"})).status,
              FailsWith(StatusCode::ALREADY_EXISTS, ErrorDetail::REASON_ROUTE_EXISTS));
}

TEST_F(RouteServiceTest, RejectsLoopsAndNamesPath) {
  ASSERT_THAT(Create(NewRoute("ab", "a", {"b"})).status, IsOk());
  v1::Route disabled = NewRoute("bc", "b", {"c"});
  disabled.set_disabled(true);
  ASSERT_THAT(Create(disabled).status, IsOk());
  const grpc::Status loop = Create(NewRoute("ca", "c", {"a"})).status;
  EXPECT_THAT(loop, kRouteLoop);
  EXPECT_THAT(loop.error_message(), HasSubstr("a -> b -> c -> a"));
  EXPECT_THAT(Update(NewRoute("bc", "", {"a"}), {"target_topics"}).status, kRouteLoop);
  EXPECT_THAT(Get("bc").response.route().target_topics(), ElementsAre("c"));
}

TEST_F(RouteServiceTest, UpdatesOnlyMaskedFields) {
  ASSERT_THAT(Create(NewRoute("r", "a", {"b"})).status, IsOk());
  PublishIds("a", {"1"});
  v1::Route changed = NewRoute("r", "not looked at", {"c"});
  changed.set_description("not named");
  changed.mutable_filter()->set_sql("id = '3'");
  const auto updated = Update(changed, {"target_topics", "filter"});
  ASSERT_THAT(updated.status, IsOk());
  EXPECT_EQ(updated.response.route().source_topic(), "a");
  EXPECT_EQ(updated.response.route().description(), "");
  EXPECT_EQ(updated.response.effective(0).offset(), 1);
  PublishIds("a", {"2", "3"});
  EXPECT_THAT(Ids("b"), ElementsAre("1"));
  EXPECT_THAT(Ids("c"), ElementsAre("3"));
  for (const std::vector<std::string>& mask :
       {std::vector<std::string>{}, {"name"}, {"source_topic"}, {"create_time"}, {"none"}}) {
    const grpc::Status status = Update(changed, mask).status;
    EXPECT_THAT(status, kBadRoute);
    EXPECT_EQ(DetailOf(status).field(), "update_mask");
  }
  EXPECT_THAT(Update(NewRoute("", "", {"b"}), {"target_topics"}).status, kBadRoute);
  EXPECT_THAT(Update(NewRoute("none", "", {"b"}), {"target_topics"}).status, kNoRoute);
  EXPECT_THAT(Update(NewRoute("r", "", {"none"}), {"target_topics"}).status, kNoRouteTopic);
  changed.mutable_filter()->set_sql("id =");
  EXPECT_EQ(DetailOf(Update(changed, {"filter"}).status).field(), "route.filter.sql");
  EXPECT_EQ(Get("r").response.route().filter().sql(), "id = '3'");
}

TEST_F(RouteServiceTest, DeleteReportsEffectiveOffset) {
  ASSERT_THAT(Create(NewRoute("r", "a", {"b"})).status, IsOk());
  PublishIds("a", {"1", "2"});
  const auto deleted = Delete("r");
  ASSERT_THAT(deleted.status, IsOk());
  ASSERT_EQ(deleted.response.effective_size(), 1);
  EXPECT_EQ(deleted.response.effective(0).offset(), 2);
  PublishIds("a", {"3"});
  EXPECT_THAT(Ids("b"), ElementsAre("1", "2"));
  EXPECT_THAT(Delete("r").status, kNoRoute);
  EXPECT_THAT(Delete("").status, kBadRoute);
  EXPECT_THAT(Get("r").status, kNoRoute);
  EXPECT_THAT(Get("").status, kBadRoute);
}

TEST_F(RouteServiceTest, ListsInPages) {
  for (const char* const name : {"r3", "r1", "r5", "r2", "r4"}) {
    ASSERT_THAT(Create(NewRoute(name, "a", {"b"})).status, IsOk());
  }
  ASSERT_THAT(Create(NewRoute("r0", "b", {"c"})).status, IsOk());
  PublishIds("a", {"1"});
  std::vector<std::string> names;
  v1::ListRoutesRequest request;
  request.set_page_size(2);
  request.set_topic("a");
  do {
    const auto page = Call(&Stub::ListRoutes, request);
    ASSERT_THAT(page.status, IsOk());
    ASSERT_EQ(page.response.stats_size(), page.response.routes_size());
    for (const v1::Route& route : page.response.routes()) names.push_back(route.name());
    for (const v1::RouteStats& stats : page.response.stats()) EXPECT_EQ(stats.copied_events(), 1u);
    request.set_page_token(page.response.next_page_token());
  } while (!request.page_token().empty() && names.size() < 10);
  EXPECT_THAT(names, ElementsAre("r1", "r2", "r3", "r4", "r5"));
  EXPECT_EQ(Call(&Stub::ListRoutes, v1::ListRoutesRequest()).response.routes_size(), 6);
  request.set_topic("none");
  EXPECT_EQ(Call(&Stub::ListRoutes, request).response.routes_size(), 0);
}

TEST_F(RouteServiceTest, TestTracesEvent) {
  v1::Route filtered = NewRoute("1", "a", {"b"});
  filtered.mutable_filter()->set_sql("type = 'other'");
  ASSERT_THAT(Create(filtered).status, IsOk());
  ASSERT_THAT(Create(NewRoute("2", "a", {"c"})).status, IsOk());
  v1::TestRoutesRequest request;
  request.set_topic("a");
  *request.mutable_event() = MakeEvent("1");
  auto said = Call(&Stub::TestRoutes, request);
  ASSERT_THAT(said.status, IsOk());
  ASSERT_EQ(said.response.traces_size(), 2);
  EXPECT_EQ(said.response.traces(0).outcome(), v1::RouteTrace::OUTCOME_FILTERED);
  EXPECT_EQ(said.response.traces(1).outcome(), v1::RouteTrace::OUTCOME_COPIED);
  EXPECT_THAT(said.response.topics(), ElementsAre("a", "c"));
  *request.mutable_route() = NewRoute("1", "a", {"b"});
  EXPECT_THAT(Call(&Stub::TestRoutes, request).response.topics(), ElementsAre("a", "b", "c"));
  *request.mutable_route() = NewRoute("ca", "c", {"a"});
  EXPECT_THAT(Call(&Stub::TestRoutes, request).status, kRouteLoop);
  *request.mutable_route() = NewRoute("n", "a", {"none"});
  EXPECT_THAT(Call(&Stub::TestRoutes, request).status, kNoRouteTopic);
  request.clear_route();
  request.mutable_event()->clear_source();
  EXPECT_EQ(DetailOf(Call(&Stub::TestRoutes, request).status).field(), "event.source");
  request.set_topic("none");
  EXPECT_THAT(Call(&Stub::TestRoutes, request).status, kNoRouteTopic);
  request.clear_topic();
  EXPECT_THAT(Call(&Stub::TestRoutes, request).status, kBadRoute);
  EXPECT_THAT(Ids("a"), IsEmpty());
}

TEST_F(RouteServiceTest, UnavailableTargetRejectsPublish) {
  v1::Topic small;
  small.set_name("small");
  small.set_max_event_bytes(1024);
  CreateTopic(hub_.client(), small);
  v1::Route route = NewRoute("r", "a", {"b", "small"});
  ASSERT_THAT(Create(route).status, IsOk());
  const v1::PublishRequest large = MakePublish("a", 1, std::string(2000, 'x'));
  const grpc::Status refused = TryPublish(hub_.client(), large).status;
  EXPECT_THAT(refused, FailsWith(StatusCode::FAILED_PRECONDITION,
                                 ErrorDetail::REASON_ROUTE_TARGET_UNAVAILABLE));
  EXPECT_THAT(refused.error_message(), HasSubstr("small"));
  for (const char* const topic : {"a", "b", "small"}) EXPECT_THAT(Ids(topic), IsEmpty());
  EXPECT_EQ(Get("r").response.stats().failed_requests(), 1u);
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(Update(route, {"on_unavailable"}).status, IsOk());
  Publish(hub_.client(), large);
  EXPECT_THAT(Ids("b"), ElementsAre("0"));
  EXPECT_THAT(Ids("small"), IsEmpty());
  EXPECT_EQ(Get("r").response.stats().skipped_events(), 1u);
}

TEST_F(RouteServiceTest, TopicsOfRoutesAreInUse) {
  ASSERT_THAT(Create(NewRoute("r", "a", {"b"})).status, IsOk());
  const grpc::Status source = DeleteTopic("a");
  EXPECT_THAT(source, kRouteUsesTopic);
  EXPECT_THAT(source.error_message(), HasSubstr("is the source of routes: r"));
  const grpc::Status target = DeleteTopic("b", /*with_routes=*/true);
  EXPECT_THAT(target, kRouteUsesTopic);
  EXPECT_THAT(target.error_message(), HasSubstr("is a target of routes that fail without it: r"));
  EXPECT_THAT(DeleteTopic("a", /*with_routes=*/true), IsOk());
  EXPECT_THAT(Get("r").status, kNoRoute);
  EXPECT_THAT(DeleteTopic("b"), IsOk());
}

// The topic is written and not synced yet: other clients do not see it, but a route written after
// it may target it.
TEST_F(RouteServiceTest, TargetsTopicBeingCreated) {
  const uint64_t commits = GetStats(hub_.client()).commits();
  hub_.gate().Close();
  std::thread topic([&] { CreateTopic(hub_.client(), "later"); });
  EXPECT_TRUE(Eventually([&] { return GetStats(hub_.client()).commits() == commits + 1; }));
  v1::Route route = NewRoute("r", "a", {"later"});
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  std::thread create([&] { EXPECT_THAT(Create(route).status, IsOk()); });
  EXPECT_TRUE(Eventually([&] { return GetStats(hub_.client()).commits() == commits + 2; }));
  hub_.gate().Open();
  topic.join();
  create.join();
  PublishIds("a", {"1"});
  EXPECT_THAT(Ids("later"), ElementsAre("1"));
}

}  // namespace
}  // namespace eventhub
