// RouteClient, LinkClient, DelayedEventClient, TopologyClient: pages, and the encoding of each of
// their values.

#include "client/src/admin/link_proto.h"
#include "client/src/admin/route_proto.h"
#include "client/src/admin/topic_proto.h"
#include "client/src/admin/topology_proto.h"
#include "client/src/base/proto_time.h"
#include "client/src/publish/publish_proto.h"
#include "eventhub/delayed_event_client.h"
#include "eventhub/error.h"
#include "eventhub/link_client.h"
#include "eventhub/mocks/mock_connection.h"
#include "eventhub/route_client.h"
#include "eventhub/topology_client.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace eventhub::client {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Return;
using ::testing::SizeIs;
using ::testing::StrictMock;

using StrictHub = std::shared_ptr<StrictMock<MockConnection>>;

StrictHub MakeHub() { return std::make_shared<StrictMock<MockConnection>>(); }

template <typename Request>
std::vector<std::string> Paths(const Request& request) {
  return {request.update_mask().paths().begin(), request.update_mask().paths().end()};
}

v1::AttributeValue Text(const std::string& text) {
  v1::AttributeValue value;
  value.set_string(text);
  return value;
}

TEST(RouteClientTest, ListsAllPages) {
  const StrictHub hub = MakeHub();
  EXPECT_CALL(*hub, ListRoutes("t", 1000, "", absl::Seconds(3)))
      .WillOnce(Return(
          Page<RouteDescription>{.items = {{.route = {.name = "a"}}}, .next_page_token = "p"}));
  EXPECT_CALL(*hub, ListRoutes("t", 1000, "p", _))
      .WillOnce(Return(Page<RouteDescription>{.items = {{.route = {.name = "b"}}}}));
  const auto routes = RouteClient(hub, {.timeout = absl::Seconds(3)}).ListRoutes("t");
  ASSERT_TRUE(routes.ok());
  ASSERT_THAT(*routes, SizeIs(2));
  EXPECT_EQ((*routes)[1].route.name, "b");
}

TEST(RouteClientTest, ReturnsResultsAndErrorsOfHub) {
  const StrictHub hub = MakeHub();
  RouteClient client(hub);
  absl::Status loop = absl::FailedPreconditionError("a -> b -> a");
  SetErrorInfo({.reason = ErrorReason::kRouteLoop}, loop);
  EXPECT_CALL(*hub, CreateRoute).WillOnce(Return(loop));
  EXPECT_EQ(GetErrorReason(client.CreateRoute({.name = "r"}).status()), ErrorReason::kRouteLoop);
  EXPECT_EQ(ErrorReasonName(ErrorReason::kRouteLoop), "ROUTE_LOOP");
  EXPECT_CALL(*hub, GetRoute("r", _)).WillOnce(Return(absl::NotFoundError("no route")));
  EXPECT_TRUE(absl::IsNotFound(client.GetRoute("r").status()));
  EXPECT_CALL(*hub, UpdateRoute("r", _, _)).WillOnce(Return(RouteChange{.effective = {{2, 7}}}));
  EXPECT_THAT(client.UpdateRoute("r", {.disabled = true})->effective,
              ElementsAre(PartitionOffset{2, 7}));
  EXPECT_CALL(*hub, DeleteRoute("r", _))
      .WillOnce(Return(std::vector<PartitionOffset>{{.partition = 0, .offset = 3}}));
  EXPECT_THAT(*client.DeleteRoute("r"), SizeIs(1));
  EXPECT_CALL(*hub, TestRoutes("t", _, _, _)).WillOnce(Return(RouteTest{.topics = {"t", "u"}}));
  EXPECT_THAT(client.TestRoutes("t", v1::Event())->topics, ElementsAre("t", "u"));
}

Route FullRoute() {
  return {.name = "r",
          .source_topic = "s",
          .filter = Filter::Prefix({{"type", "shop."}}),
          .target_topics = {"b", "a"},
          .partition_key = RouteKey::FromAttribute("subject"),
          .set_attributes = {{"via", Text("r")}},
          .disabled = true,
          .on_unavailable = OnUnavailable::kSkip,
          .description = "why"};
}

TEST(RouteProtoTest, SettingsRoundTrip) {
  for (const RouteKey& key : {RouteKey::Keep(), RouteKey::FromAttribute("subject"),
                              RouteKey::Constant("one"), RouteKey::None()}) {
    Route route = FullRoute();
    route.partition_key = key;
    const v1::Route proto = ToProto(route);
    EXPECT_EQ(FromProto(proto).partition_key, key);
    EXPECT_TRUE(MessageDifferencer::Equals(ToProto(FromProto(proto)), proto));
  }
  const v1::Route proto = ToProto(FullRoute());
  EXPECT_EQ(proto.on_unavailable(), v1::Route::ON_UNAVAILABLE_SKIP);
  EXPECT_THAT(proto.target_topics(), ElementsAre("b", "a"));
  EXPECT_EQ(proto.set_attributes().at("via").string(), "r");
  EXPECT_FALSE(ToProto(Route{.name = "r"}).has_partition_key());
  EXPECT_FALSE(ToProto(Route{.name = "r"}).has_filter());
}

TEST(RouteProtoTest, UpdateMaskNamesSetFields) {
  EXPECT_THAT(Paths(ToProto("r", RouteUpdate{})), IsEmpty());
  const v1::UpdateRouteRequest none =
      ToProto("r", RouteUpdate{.filter = std::optional<Filter>(),
                               .target_topics = std::vector<std::string>{"x"},
                               .partition_key = RouteKey::Keep(),
                               .set_attributes = AttributeValues(),
                               .disabled = false,
                               .on_unavailable = OnUnavailable::kFail,
                               .description = ""});
  EXPECT_THAT(Paths(none), ElementsAre("filter", "target_topics", "partition_key", "set_attributes",
                                       "disabled", "on_unavailable", "description"));
  EXPECT_EQ(none.route().name(), "r");
  EXPECT_FALSE(none.route().has_filter());
  EXPECT_FALSE(none.route().has_partition_key());
  const v1::UpdateRouteRequest some = ToProto("r", RouteUpdate{.filter = Filter::Sql("true")});
  EXPECT_THAT(Paths(some), ElementsAre("filter"));
  EXPECT_EQ(some.route().filter().sql(), "true");
}

TEST(RouteProtoTest, StatsAndTraces) {
  v1::RouteStats stats;
  stats.set_matched_events(5);
  stats.set_copied_events(4);
  stats.set_copied_bytes(3);
  stats.set_skipped_events(2);
  stats.set_failed_requests(1);
  stats.set_last_failure("full");
  EXPECT_FALSE(FromProto(stats).last_failure_time.has_value());
  ToProto(absl::FromUnixSeconds(9), *stats.mutable_last_failure_time());
  EXPECT_EQ(FromProto(stats).last_failure_time, absl::FromUnixSeconds(9));
  EXPECT_EQ(FromProto(stats).matched_events, 5u);
  EXPECT_EQ(FromProto(stats).copied_bytes, 3u);
  EXPECT_EQ(FromProto(stats).last_failure, "full");

  v1::TestRoutesResponse response;
  v1::RouteTrace& trace = *response.add_traces();
  trace.set_route("r");
  trace.set_target_topic("t");
  trace.set_outcome(v1::RouteTrace::OUTCOME_SKIPPED);
  trace.set_depth(2);
  // A value of a newer hub.
  response.add_traces()->set_outcome(static_cast<v1::RouteTrace::Outcome>(99));
  response.set_refusal("no");
  const RouteTest test = FromProto(response);
  EXPECT_EQ(test.traces[0].outcome, RouteTrace::Outcome::kSkipped);
  EXPECT_EQ(test.traces[0].depth, 2u);
  EXPECT_EQ(test.traces[1].outcome, RouteTrace::Outcome::kUnknown);
  EXPECT_EQ(test.refusal, "no");
}

TEST(LinkClientTest, ListsAllPagesAndForwardsCalls) {
  const StrictHub hub = MakeHub();
  LinkClient client(hub);
  EXPECT_CALL(*hub, ListLinks(1000, "", _))
      .WillOnce(Return(
          Page<LinkDescription>{.items = {{.link = {.name = "a"}}}, .next_page_token = "p"}));
  EXPECT_CALL(*hub, ListLinks(1000, "p", _)).WillOnce(Return(Page<LinkDescription>{}));
  EXPECT_THAT(*client.ListLinks(), SizeIs(1));
  EXPECT_CALL(*hub, DeleteLink("a", _)).WillOnce(Return(absl::NotFoundError("no link")));
  EXPECT_TRUE(absl::IsNotFound(client.DeleteLink("a")));
  EXPECT_CALL(*hub, UpdateLink("a", _, _)).WillOnce(Return(Link{.name = "a", .disabled = true}));
  EXPECT_TRUE(client.UpdateLink("a", {.disabled = true})->disabled);
}

TEST(LinkProtoTest, SettingsRoundTrip) {
  for (const StartPosition& start :
       {StartPosition::Earliest(), StartPosition::Latest(), StartPosition::Offset(7),
        StartPosition::Timestamp(absl::FromUnixSeconds(1'700'000'000))}) {
    const Link link{.name = "l",
                    .remote_address = "h:1",
                    .remote_topic = "there",
                    .local_topic = "here",
                    .filter = Filter::Sql("true"),
                    .start = start,
                    .disabled = true,
                    .description = "why"};
    const v1::Link proto = ToProto(link);
    EXPECT_EQ(FromProto(proto).start.kind, start.kind);
    EXPECT_TRUE(MessageDifferencer::Equals(ToProto(FromProto(proto)), proto));
  }
  EXPECT_EQ(FromProto(v1::Link()).start.kind, StartPosition::Kind::kEarliest);
}

TEST(LinkProtoTest, UpdateMaskNamesSetFields) {
  EXPECT_THAT(Paths(ToProto("l", LinkUpdate{})), IsEmpty());
  const v1::UpdateLinkRequest update = ToProto("l", LinkUpdate{.remote_address = "h:2",
                                                               .filter = std::optional<Filter>(),
                                                               .disabled = false,
                                                               .description = ""});
  EXPECT_THAT(Paths(update), ElementsAre("remote_address", "filter", "disabled", "description"));
  EXPECT_EQ(update.link().name(), "l");
  EXPECT_EQ(update.link().remote_address(), "h:2");
}

TEST(LinkProtoTest, Status) {
  v1::LinkStatus proto;
  EXPECT_EQ(FromProto(proto).state, LinkStatus::State::kUnknown);
  EXPECT_FALSE(FromProto(proto).lag_time.has_value());
  proto.set_state(v1::LinkStatus::STATE_BLOCKED);
  proto.set_error("full");
  proto.set_lag_events(3);
  proto.mutable_lag_time()->set_seconds(4);
  proto.set_lost_events(5);
  proto.set_looped_events(6);
  proto.add_positions()->set_offset(8);
  const LinkStatus status = FromProto(proto);
  EXPECT_EQ(status.state, LinkStatus::State::kBlocked);
  EXPECT_EQ(status.error, "full");
  EXPECT_EQ(status.lag_events, 3u);
  EXPECT_EQ(status.lag_time, absl::Seconds(4));
  EXPECT_EQ(status.lost_events, 5u);
  EXPECT_EQ(status.looped_events, 6u);
  EXPECT_THAT(status.positions, ElementsAre(PartitionOffset{0, 8}));
}

TEST(DelayedEventClientTest, VisitsPagesUntilStopped) {
  const StrictHub hub = MakeHub();
  const auto page = [](const std::string& id, const std::string& next) {
    return Page<DelayedEvent>{.items = {{.delay_id = id}}, .next_page_token = next};
  };
  EXPECT_CALL(*hub, ListDelayedEvents("t", _, 100, "", _)).WillOnce(Return(page("1", "p")));
  EXPECT_CALL(*hub, ListDelayedEvents("t", _, 100, "p", _)).WillOnce(Return(page("2", "q")));
  std::vector<std::string> ids;
  EXPECT_TRUE(DelayedEventClient(hub)
                  .List("t", {},
                        [&](DelayedEvent event) {
                          ids.push_back(event.delay_id);
                          return ids.size() < 2;
                        })
                  .ok());
  EXPECT_THAT(ids, ElementsAre("1", "2"));
}

TEST(DelayedEventClientTest, CancelsInChunks) {
  const StrictHub hub = MakeHub();
  EXPECT_CALL(*hub, CancelDelayedEvents("t", SizeIs(10'000), _)).Times(2).WillRepeatedly(Return(9));
  EXPECT_CALL(*hub, CancelDelayedEvents("t", SizeIs(5), _)).WillOnce(Return(5));
  EXPECT_EQ(DelayedEventClient(hub).Cancel("t", std::vector<std::string>(20'005, "x")).value(),
            23u);
  EXPECT_CALL(*hub, CancelDelayedEvents("t", IsEmpty(), _))
      .WillOnce(Return(absl::InvalidArgumentError("delay_ids: at least one")));
  EXPECT_TRUE(absl::IsInvalidArgument(DelayedEventClient(hub).Cancel("t", {}).status()));
}

TEST(TopologyTest, IsBuiltFromTheOtherValues) {
  Topology topology;
  topology.Add(Topic{.name = "bus", .keep_nothing = true})
      .Add(Subscription{.name = "s", .topic = "t", .kind = SubscriptionKind::kQueue})
      .Add(FullRoute())
      .Add(Link{.name = "l", .local_topic = "bus"});
  EXPECT_TRUE(topology.proto().topics(0).retention().none());
  ASSERT_THAT(topology.topics(), SizeIs(1));
  EXPECT_TRUE(topology.topics()[0].keep_nothing);
  EXPECT_EQ(topology.subscriptions()[0].kind, SubscriptionKind::kQueue);
  EXPECT_EQ(topology.routes()[0].partition_key, RouteKey::FromAttribute("subject"));
  EXPECT_EQ(topology.links()[0].local_topic, "bus");
}

TEST(TopologyProtoTest, Results) {
  v1::ApplyTopologyResponse proto;
  v1::TopologyChange& change = *proto.add_changes();
  change.set_kind(v1::TopologyChange::KIND_ROUTE);
  change.set_action(v1::TopologyChange::ACTION_UPDATE);
  change.set_name("r");
  v1::FieldChange& field = *change.add_fields();
  field.set_path("disabled");
  field.set_old_value("true");
  proto.add_unnamed()->set_name("x");
  ApplyResult result = FromProto(proto);
  ASSERT_THAT(result.changes, SizeIs(1));
  EXPECT_EQ(result.changes[0].kind, TopologyChange::Kind::kRoute);
  EXPECT_EQ(result.changes[0].action, TopologyChange::Action::kUpdate);
  EXPECT_EQ(result.changes[0].fields[0].old_value, "true");
  EXPECT_EQ(result.unnamed[0].name, "x");
  EXPECT_TRUE(result.status.ok());
  proto.mutable_error()->set_code(9);
  EXPECT_EQ(FromProto(proto).status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(TopicProtoTest, RetentionAndDeduplicationRoundTrip) {
  const Topic topic{.name = "t",
                    .max_bytes = 9,
                    .refuse_when_full = true,
                    .deduplication_window = absl::Minutes(10)};
  const v1::Topic proto = ToProto(topic);
  EXPECT_TRUE(proto.retention().refuse_when_full());
  EXPECT_EQ(proto.deduplication_window().seconds(), 600);
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(FromProto(proto)), proto));
  EXPECT_FALSE(ToProto(Topic{.name = "t"}).has_deduplication_window());
  EXPECT_FALSE(ToProto(Topic{.name = "t"}).has_retention());
  const v1::UpdateTopicRequest update =
      ToProto("t", TopicUpdate{.keep_nothing = false,
                               .refuse_when_full = true,
                               .deduplication_window = absl::ZeroDuration()});
  EXPECT_THAT(Paths(update),
              ElementsAre("retention.none", "retention.refuse_when_full", "deduplication_window"));
  EXPECT_FALSE(update.topic().has_deduplication_window());

  EXPECT_FALSE(ToProto(Topic{.name = "t"}).has_archive()) << "on is the default";
  EXPECT_TRUE(FromProto(v1::Topic()).archive);
  const v1::Topic unarchived = ToProto(Topic{.name = "t", .archive = false});
  EXPECT_TRUE(unarchived.has_archive());
  EXPECT_FALSE(FromProto(unarchived).archive);
  const v1::UpdateTopicRequest archive = ToProto("t", TopicUpdate{.archive = true});
  EXPECT_THAT(archive.update_mask().paths(), ElementsAre("archive"));
  EXPECT_TRUE(archive.topic().archive());
}

TEST(TopicProtoTest, LatestPerKeyRoundTrips) {
  const Topic topic{.name = "t",
                    .latest_per_key = LatestPerKey{.min_age = absl::Minutes(1),
                                                   .delete_marker_age = absl::Hours(2)}};
  EXPECT_EQ(FromProto(ToProto(topic)).latest_per_key, topic.latest_per_key);
  const v1::UpdateTopicRequest update = ToProto("t", TopicUpdate{.latest_per_key = LatestPerKey{}});
  EXPECT_THAT(Paths(update), ElementsAre("retention.latest_per_key"));
  EXPECT_FALSE(update.topic().retention().latest_per_key().has_delete_marker_age());
}

TEST(PublishProtoTest, DuplicatesAndDelayedEvents) {
  v1::PublishResult result;
  v1::DuplicateEvent& first = *result.add_duplicates();
  first.set_event_index(1);
  first.set_partition(0);
  first.set_offset(0);
  result.add_duplicates()->set_event_index(2);
  v1::DelayedPlacement& delayed = *result.add_delayed();
  delayed.set_event_index(3);
  delayed.set_delay_id("d");
  ToProto(absl::FromUnixSeconds(9), *delayed.mutable_due_time());
  PublishReply reply;
  SetResult(result, reply);
  ASSERT_THAT(reply.duplicates, SizeIs(2));
  EXPECT_EQ(reply.duplicates[0].event_index, 1u);
  EXPECT_EQ(reply.duplicates[0].partition, 0u);
  EXPECT_EQ(reply.duplicates[0].offset, 0);
  EXPECT_FALSE(reply.duplicates[1].partition.has_value());
  ASSERT_THAT(reply.delayed, SizeIs(1));
  EXPECT_EQ(reply.delayed[0].event_index, 3u);
  EXPECT_EQ(reply.delayed[0].delay_id, "d");
  EXPECT_EQ(reply.delayed[0].due_time, absl::FromUnixSeconds(9));
}

}  // namespace
}  // namespace eventhub::client
