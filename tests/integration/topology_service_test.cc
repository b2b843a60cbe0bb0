// TopologyService over gRPC.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::SizeIs;

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

  TestHub hub_;
};

v1::ApplyTopologyRequest RequestOf(const std::string& text) {
  v1::ApplyTopologyRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request));
  return request;
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

// The faults fit into what a client takes as the trailers of a call.
TEST_F(TopologyServiceTest, ManyFaultsReachTheClient) {
  v1::ApplyTopologyRequest request;
  for (int i = 0; i < 1000; ++i) {
    v1::Topic& topic = *request.mutable_topology()->add_topics();
    topic.set_name(absl::StrCat("t", i));
    // Takes three bytes for each of its own in the trailers.
    if (i % 2 == 0) topic.set_name("\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9");
    topic.set_partitions(100'001);
  }
  const grpc::Status status = Apply(request).status;
  EXPECT_THAT(status,
              FailsWith(StatusCode::INVALID_ARGUMENT, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_TRUE(absl::StrContains(status.error_message(), "\ntopic t1: partitions: has to be"))
      << status.error_message();
  EXPECT_TRUE(absl::EndsWith(status.error_message(), " more")) << status.error_message();
  EXPECT_THAT(Export().topics(), SizeIs(0));
}

}  // namespace
}  // namespace eventhub
