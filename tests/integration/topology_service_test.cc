// TopologyService over gRPC.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::SizeIs;
using v1::ErrorDetail;

class TopologyServiceTest : public testing::Test {
 protected:
  Outcome<v1::ApplyTopologyResponse> Apply(const v1::ApplyTopologyRequest& request) {
    grpc::ClientContext context;
    Outcome<v1::ApplyTopologyResponse> outcome;
    outcome.status = hub_.client().topologies().ApplyTopology(&context, request, &outcome.response);
    return outcome;
  }
  v1::Topology Export() {
    grpc::ClientContext context;
    v1::ExportTopologyResponse response;
    EXPECT_THAT(hub_.client().topologies().ExportTopology(&context, {}, &response), IsOk());
    return response.topology();
  }

  // Applies a text; returns the faults in the refusal, one per line. The call must change nothing.
  std::vector<std::string> Faults(const std::string& text, StatusCode code,
                                  ErrorDetail::Reason reason);

  TestHub hub_;
};

v1::ApplyTopologyRequest RequestOf(const std::string& text) {
  v1::ApplyTopologyRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request));
  return request;
}

std::vector<std::string> TopologyServiceTest::Faults(const std::string& text, StatusCode code,
                                                     ErrorDetail::Reason reason) {
  const std::string before = Export().DebugString();
  const grpc::Status status = Apply(RequestOf(text)).status;
  EXPECT_THAT(status, FailsWith(code, reason));
  EXPECT_EQ(Export().DebugString(), before);
  return absl::StrSplit(status.error_message(), '\n');
}

TEST_F(TopologyServiceTest, AppliesAndExportsRoutes) {
  v1::ApplyTopologyRequest request = RequestOf(R"(
    topology { routes { name: "r" source_topic: "bus" target_topics: "a" target_topics: "b"
                        filter { sql: "type LIKE 'test.%'" } partition_key { none: true }
                        set_attributes { key: "x" value { integer: 1 } }
                        set_attributes { key: "m" value { string: "1" } } }
               routes { name: "skips" source_topic: "a" target_topics: "none"
                        on_unavailable: ON_UNAVAILABLE_SKIP }
               topics { name: "a" }
               topics { name: "b" }
               topics { name: "bus" retention { none: true } } }
    dry_run: true)");
  const auto predicted = Apply(request);
  EXPECT_THAT(predicted.status, IsOk());
  EXPECT_THAT(Export().topics(), SizeIs(0));
  request.set_dry_run(false);
  const auto made = Apply(request);
  EXPECT_THAT(made.status, IsOk());
  EXPECT_FALSE(made.response.has_error()) << made.response.error().ShortDebugString();
  EXPECT_THAT(made.response.changes(), SizeIs(5));
  EXPECT_EQ(made.response.DebugString(), predicted.response.DebugString());
  Publish(hub_.client(), MakePublish("bus"));
  for (const char* const topic : {"a", "b"}) {
    EXPECT_THAT(ReadAll(hub_.client(), ReadOf(topic)).ids(), ElementsAre("0"));
  }
  EXPECT_EQ(Export().DebugString(), request.topology().DebugString());

  // Changed and pruned; everything else is unchanged.
  request.mutable_topology()->mutable_routes(0)->mutable_target_topics()->RemoveLast();
  request.mutable_topology()->mutable_routes()->RemoveLast();
  request.set_prune(true);
  const auto changed = Apply(request);
  ASSERT_THAT(changed.response.changes(), SizeIs(2));
  EXPECT_EQ(changed.response.changes(0).fields(0).path(), "target_topics");
  EXPECT_EQ(changed.response.changes(0).fields(0).old_value(), R"(["a","b"])");
  EXPECT_EQ(changed.response.changes(1).action(), v1::TopologyChange::ACTION_DELETE);
  EXPECT_EQ(changed.response.changes(1).name(), "skips");
  Publish(hub_.client(), MakePublish("bus"));
  EXPECT_THAT(ReadAll(hub_.client(), ReadOf("b")).ids(), ElementsAre("0"));
}

TEST_F(TopologyServiceTest, ReportsEveryFaultOfRoutes) {
  const grpc::Status status = Apply(RequestOf(R"(
    topology { topics { name: "a" } topics { name: "b" }
               routes { name: "filter" source_topic: "a" target_topics: "b" filter { sql: "a =" } }
               routes { source_topic: "a" target_topics: "b" }
               routes { name: "key" source_topic: "a" target_topics: "b" partition_key { } }
               routes { name: "lost" source_topic: "a" target_topics: "none" }
               routes { name: "twice" source_topic: "a" target_topics: "b" }
               routes { name: "twice" source_topic: "a" target_topics: "b" } })"))
                                  .status;
  EXPECT_THAT(status, FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_EQ(DetailOf(status).field(), "topology.routes[0].filter.sql");
  const std::vector<std::string> lines = absl::StrSplit(status.error_message(), '\n');
  EXPECT_THAT(lines, ElementsAre(testing::StartsWith("route filter: filter.sql: line 1, column "),
                                 "route topology.routes[1]: name: is required",
                                 testing::StartsWith("route key: partition_key: "),
                                 "route twice: name: is used twice",
                                 "route lost: target_topics: topic none will not exist"));
  EXPECT_THAT(Export().topics(), SizeIs(0));
}

TEST_F(TopologyServiceTest, LoopsFailPrecondition) {
  EXPECT_THAT(Faults(R"(topology { topics { name: "a" } topics { name: "b" }
                                   routes { name: "ab" source_topic: "a" target_topics: "b" }
                                   routes { name: "ba" source_topic: "b" target_topics: "a" } })",
                     StatusCode::FAILED_PRECONDITION, ErrorDetail::REASON_ROUTE_LOOP),
              testing::Each(testing::HasSubstr("the routes make a loop: ")));
}

TEST_F(TopologyServiceTest, PruneRejectsDeletingTopicsInUse) {
  const std::string used = R"(
    routes { name: "r" source_topic: "a" target_topics: "b" }
    subscriptions { name: "s" topic: "a" kind: KIND_QUEUE }
    links { name: "l" remote_address: "localhost:1" remote_topic: "r" local_topic: "c"
            disabled: true })";
  const std::string topics = R"(topics { name: "a" } topics { name: "b" } topics { name: "c" })";
  ASSERT_THAT(Apply(RequestOf("topology {" + topics + used + "}")).status, IsOk());
  EXPECT_THAT(Faults("topology {" + used + "} prune: true", StatusCode::INVALID_ARGUMENT,
                     ErrorDetail::REASON_INVALID_FIELD),
              ElementsAre("subscription s: topic: topic a will not exist",
                          "route r: source_topic: topic a will not exist",
                          "link l: local_topic: topic c will not exist"));
  EXPECT_THAT(Faults(R"(topology { topics { name: "a" retention { none: true } } })",
                     StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD),
              ElementsAre("topic a: retention.none: has subscriptions: s"));
  EXPECT_THAT(Faults(R"(topology { routes { name: "r" source_topic: "b" target_topics: "c" } })",
                     StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD),
              ElementsAre(R"(route r: source_topic: cannot be changed from "a" to "b")"));
}

TEST_F(TopologyServiceTest, EmptyTopologyChangesNothing) {
  const auto nothing = Apply({});
  EXPECT_THAT(nothing.status, IsOk());
  EXPECT_EQ(nothing.response.DebugString(), "");
  EXPECT_EQ(Export().DebugString(), "");
}

TEST_F(TopologyServiceTest, AppliesAndExports) {
  v1::ApplyTopologyRequest request = RequestOf(R"(
    topology { topics { name: "t" partitions: 3 }
               topics { name: "dead" }
               subscriptions { name: "s" topic: "t" kind: KIND_QUEUE dead_letter_topic: "dead" }
               links { name: "l" remote_address: "localhost:1" remote_topic: "r" local_topic: "t"
                       disabled: true } })");
  const auto made = Apply(request);
  EXPECT_THAT(made.status, IsOk());
  EXPECT_THAT(made.response.changes(), SizeIs(4));
  EXPECT_EQ(Publish(hub_.client(), MakePublish("t")).placements_size(), 1);
  const v1::Topology exported = Export();
  EXPECT_THAT(exported.topics(), SizeIs(2));
  EXPECT_EQ(exported.topics(1).ShortDebugString(), request.topology().topics(0).ShortDebugString());
  *request.mutable_topology() = exported;
  request.set_prune(true);
  EXPECT_THAT(Apply(request).response.changes(), SizeIs(0));
}

// The faults fit into the trailers that a client accepts.
TEST_F(TopologyServiceTest, DeliversManyFaultsToClient) {
  v1::ApplyTopologyRequest request;
  for (int i = 0; i < 1000; ++i) {
    v1::Topic& topic = *request.mutable_topology()->add_topics();
    topic.set_name(absl::StrCat("t", i));
    // Each byte of this name takes three in the trailers.
    if (i % 2 == 0) topic.set_name("\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9");
    topic.set_partitions(100'001);
  }
  const grpc::Status status = Apply(request).status;
  EXPECT_THAT(status,
              FailsWith(StatusCode::INVALID_ARGUMENT, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_TRUE(absl::StrContains(status.error_message(), "\ntopic t1: partitions: must be"))
      << status.error_message();
  EXPECT_TRUE(absl::EndsWith(status.error_message(), " more")) << status.error_message();
  EXPECT_THAT(Export().topics(), SizeIs(0));
}

}  // namespace
}  // namespace eventhub
