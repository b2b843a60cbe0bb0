// AdminService over the network: each method, and each error that it can return.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using v1::ErrorDetail;

class AdminTest : public testing::Test {
 protected:
  Outcome<v1::CreateTopicResponse> Create(const v1::Topic& topic) {
    v1::CreateTopicRequest request;
    *request.mutable_topic() = topic;
    return Call(&v1::AdminService::Stub::CreateTopic, request);
  }
  Outcome<v1::GetTopicResponse> Get(const std::string& name) {
    v1::GetTopicRequest request;
    request.set_name(name);
    return Call(&v1::AdminService::Stub::GetTopic, request);
  }
  Outcome<v1::DeleteTopicResponse> Delete(const std::string& name) {
    v1::DeleteTopicRequest request;
    request.set_name(name);
    return Call(&v1::AdminService::Stub::DeleteTopic, request);
  }
  Outcome<v1::UpdateTopicResponse> Update(const v1::Topic& topic,
                                          const std::vector<std::string>& mask) {
    v1::UpdateTopicRequest request;
    *request.mutable_topic() = topic;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    return Call(&v1::AdminService::Stub::UpdateTopic, request);
  }
  Outcome<v1::ListTopicsResponse> List(uint32_t page_size, const std::string& token) {
    v1::ListTopicsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(&v1::AdminService::Stub::ListTopics, request);
  }
  Outcome<v1::ListPartitionsResponse> ListPartitions(const std::string& topic, uint32_t page_size,
                                                     const std::string& token) {
    v1::ListPartitionsRequest request;
    request.set_topic(topic);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(&v1::AdminService::Stub::ListPartitions, request);
  }

  template <typename Request, typename Response>
  Outcome<Response> Call(grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*,
                                                                        const Request&, Response*),
                         const Request& request) {
    grpc::ClientContext context;
    Outcome<Response> outcome;
    outcome.status = (hub_.client().admin().*method)(&context, request, &outcome.response);
    return outcome;
  }

  TestHub hub_;
};

v1::Topic Named(const std::string& name) {
  v1::Topic topic;
  topic.set_name(name);
  return topic;
}

std::vector<std::string> NamesOf(const v1::ListTopicsResponse& response) {
  std::vector<std::string> names;
  for (const v1::Topic& topic : response.topics()) names.push_back(topic.name());
  return names;
}

TEST_F(AdminTest, CreateFillsInDefaults) {
  const auto created = Create(Named("t"));
  ASSERT_THAT(created.status, IsOk());
  const v1::Topic& topic = created.response.topic();
  EXPECT_EQ(topic.name(), "t");
  EXPECT_EQ(topic.partitions(), 1u);
  EXPECT_EQ(topic.default_durability(), v1::DURABILITY_SYNCED);
  EXPECT_EQ(topic.max_event_bytes(), 1'048'576u);
  EXPECT_FALSE(topic.has_retention());
  EXPECT_GT(topic.create_time().seconds(), 0);
  EXPECT_EQ(Get("t").response.topic().SerializeAsString(), topic.SerializeAsString());
}

TEST_F(AdminTest, CreateKeepsAllSettings) {
  v1::Topic asked = Named("Full-1.topic_");
  asked.set_partitions(7);
  asked.mutable_retention()->mutable_max_age()->set_seconds(60);
  asked.mutable_retention()->set_max_bytes(1 << 20);
  asked.set_default_durability(v1::DURABILITY_WRITTEN);
  asked.set_max_event_bytes(2'000'000);
  asked.set_description("for tests");
  v1::Topic created = Create(asked).response.topic();
  created.clear_create_time();
  EXPECT_EQ(created.SerializeAsString(), asked.SerializeAsString());
}

// A topic does not accept a size limit for events that no request could contain.
TEST(AdminLimitsTest, LimitsEventSizeToRequestSize) {
  ServerOptions options = TestServerOptions();
  options.max_request_bytes = 512 * 1024;
  TestHub hub(std::move(options));
  const auto create = [&](const char* name, uint32_t max_event_bytes) {
    grpc::ClientContext context;
    v1::CreateTopicRequest request;
    request.mutable_topic()->set_name(name);
    request.mutable_topic()->set_max_event_bytes(max_event_bytes);
    Outcome<v1::CreateTopicResponse> outcome;
    outcome.status = hub.client().admin().CreateTopic(&context, request, &outcome.response);
    return outcome;
  };
  const auto refused = create("t", 512 * 1024);
  EXPECT_EQ(refused.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.status.error_message(),
              testing::AllOf(testing::HasSubstr("topic.max_event_bytes: "),
                             testing::HasSubstr(" 523264 bytes (--max_request)")));
  EXPECT_THAT(create("t", 523'264).status, IsOk());
  EXPECT_EQ(create("by-default", 0).response.topic().max_event_bytes(), 523'264u);
}

TEST_F(AdminTest, RejectsSecondCreation) {
  ASSERT_THAT(Create(Named("t")).status, IsOk());
  v1::Topic other = Named("t");
  other.set_partitions(9);
  EXPECT_THAT(Create(other).status,
              FailsWith(StatusCode::ALREADY_EXISTS, ErrorDetail::REASON_TOPIC_EXISTS));
  EXPECT_EQ(Get("t").response.topic().partitions(), 1u);
}

TEST_F(AdminTest, CreateNamesInvalidField) {
  const struct {
    const char* field;
    std::function<void(v1::Topic&)> spoil;
  } cases[] = {
      {"topic.name", [](v1::Topic& t) { t.clear_name(); }},
      {"topic.name", [](v1::Topic& t) { t.set_name(".hidden"); }},
      {"topic.name", [](v1::Topic& t) { t.set_name("-flag"); }},
      {"topic.name", [](v1::Topic& t) { t.set_name("a/b"); }},
      {"topic.name", [](v1::Topic& t) { t.set_name("umlaut-ä"); }},
      {"topic.name", [](v1::Topic& t) { t.set_name(std::string(201, 'x')); }},
      {"topic.partitions", [](v1::Topic& t) { t.set_partitions(100'001); }},
      {"topic.max_event_bytes", [](v1::Topic& t) { t.set_max_event_bytes(16'777'217); }},
      {"topic.description", [](v1::Topic& t) { t.set_description(std::string(1025, 'x')); }},
      {"topic.retention.max_age",
       [](v1::Topic& t) { t.mutable_retention()->mutable_max_age()->set_nanos(999'999'999); }},
      {"topic.retention.max_age",
       [](v1::Topic& t) { t.mutable_retention()->mutable_max_age()->set_seconds(-5); }},
      {"topic.default_durability",
       [](v1::Topic& t) { t.set_default_durability(static_cast<v1::Durability>(9)); }},
  };
  for (const auto& c : cases) {
    v1::Topic topic = Named("t");
    c.spoil(topic);
    const grpc::Status status = Create(topic).status;
    EXPECT_THAT(status, FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD));
    EXPECT_EQ(DetailOf(status).field(), c.field) << status.error_message();
  }
  EXPECT_THAT(Get("t").status,
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
}

TEST_F(AdminTest, RequiresNames) {
  EXPECT_EQ(DetailOf(Get("").status).field(), "name");
  EXPECT_EQ(DetailOf(Delete("").status).field(), "name");
  EXPECT_EQ(DetailOf(Update(v1::Topic(), {"partitions"}).status).field(), "topic.name");
  EXPECT_EQ(DetailOf(ListPartitions("", 0, "").status).field(), "topic");
}

TEST_F(AdminTest, UnknownTopicIsNotFound) {
  const auto not_found = FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND);
  EXPECT_THAT(Get("none").status, not_found);
  EXPECT_THAT(Delete("none").status, not_found);
  EXPECT_THAT(Update(Named("none"), {"partitions"}).status, not_found);
  EXPECT_THAT(ListPartitions("none", 0, "").status, not_found);
}

TEST_F(AdminTest, ListsByNameInPages) {
  for (const char* name : {"b", "d", "a", "c"}) ASSERT_THAT(Create(Named(name)).status, IsOk());
  EXPECT_THAT(NamesOf(List(0, "").response), ElementsAre("a", "b", "c", "d"));
  const auto first = List(3, "");
  EXPECT_THAT(NamesOf(first.response), ElementsAre("a", "b", "c"));
  ASSERT_FALSE(first.response.next_page_token().empty());
  const auto second = List(3, first.response.next_page_token());
  EXPECT_THAT(NamesOf(second.response), ElementsAre("d"));
  EXPECT_EQ(second.response.next_page_token(), "");
  EXPECT_EQ(List(4'000'000'000, "").response.topics_size(), 4);
}

TEST_F(AdminTest, ListsPartitionsByNumberInPages) {
  v1::Topic topic = Named("t");
  topic.set_partitions(5);
  ASSERT_THAT(Create(topic).status, IsOk());
  const auto first = ListPartitions("t", 2, "");
  ASSERT_EQ(first.response.partitions_size(), 2);
  EXPECT_EQ(first.response.partitions(1).partition(), 1u);
  const auto last = ListPartitions("t", 1000, first.response.next_page_token());
  ASSERT_EQ(last.response.partitions_size(), 3);
  EXPECT_EQ(last.response.partitions(2).partition(), 4u);
  EXPECT_EQ(last.response.next_page_token(), "");
  EXPECT_EQ(ListPartitions("t", 2, "4294967295").response.partitions_size(), 0);
  EXPECT_EQ(DetailOf(ListPartitions("t", 2, "bogus").status).field(), "page_token");
}

TEST_F(AdminTest, UpdatesOnlyMaskedFields) {
  v1::Topic topic = Named("t");
  topic.set_description("before");
  topic.mutable_retention()->set_max_bytes(1000);
  ASSERT_THAT(Create(topic).status, IsOk());
  v1::Topic change = Named("t");
  change.set_partitions(4);
  change.set_description("not taken over");
  change.mutable_retention()->mutable_max_age()->set_seconds(90);
  const auto updated = Update(change, {"partitions", "retention.max_age"});
  ASSERT_THAT(updated.status, IsOk());
  EXPECT_EQ(updated.response.topic().partitions(), 4u);
  EXPECT_EQ(updated.response.topic().description(), "before");
  EXPECT_EQ(updated.response.topic().retention().max_bytes(), 1000u);
  EXPECT_EQ(updated.response.topic().retention().max_age().seconds(), 90);
  EXPECT_EQ(Get("t").response.topic().SerializeAsString(),
            updated.response.topic().SerializeAsString());
  EXPECT_EQ(ListPartitions("t", 0, "").response.partitions_size(), 4);

  ASSERT_THAT(Update(Named("t"), {"retention", "description"}).status, IsOk());
  EXPECT_EQ(Get("t").response.topic().retention().ByteSizeLong(), 0u);
  EXPECT_EQ(Get("t").response.topic().description(), "");
}

TEST_F(AdminTest, UpdateNamesInvalidField) {
  v1::Topic topic = Named("t");
  topic.set_partitions(3);
  ASSERT_THAT(Create(topic).status, IsOk());
  v1::Topic change = Named("t");
  change.set_partitions(2);
  EXPECT_EQ(DetailOf(Update(change, {"partitions"}).status).field(), "topic.partitions");
  EXPECT_EQ(DetailOf(Update(change, {}).status).field(), "update_mask");
  EXPECT_EQ(DetailOf(Update(change, {"name"}).status).field(), "update_mask");
  EXPECT_EQ(DetailOf(Update(change, {"max_event_bytes"}).status).field(), "topic.max_event_bytes");
  EXPECT_EQ(DetailOf(Update(change, {"default_durability"}).status).field(),
            "topic.default_durability");
  EXPECT_EQ(Get("t").response.topic().partitions(), 3u);
}

TEST_F(AdminTest, DeleteRemovesEvents) {
  ASSERT_THAT(Create(Named("t")).status, IsOk());
  Publish(hub_.client(), MakePublish("t", 3));
  ASSERT_THAT(Delete("t").status, IsOk());
  EXPECT_THAT(Get("t").status,
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
  EXPECT_THAT(TryPublish(hub_.client(), MakePublish("t")).status,
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
  ASSERT_THAT(Create(Named("t")).status, IsOk());
  EXPECT_EQ(GetPartition(hub_.client(), "t").end_offset(), 0);
  EXPECT_EQ(Publish(hub_.client(), MakePublish("t")).placements(0).base_offset(), 0);
}

TEST_F(AdminTest, StatsCountEventsAndRequests) {
  ASSERT_THAT(Create(Named("t")).status, IsOk());
  Publish(hub_.client(), MakePublish("t", 5));
  ReadAll(hub_.client(), ReadOf("t"));
  ASSERT_FALSE(TryPublish(hub_.client(), MakePublish("t", 0)).status.ok());

  const v1::TopicStats topic = Get("t").response.stats();
  EXPECT_EQ(topic.events(), 5u);
  EXPECT_EQ(topic.published_events(), 5u);
  EXPECT_EQ(topic.delivered_events(), 5u);
  EXPECT_EQ(topic.refused_requests(), 1u);
  EXPECT_GT(topic.bytes(), 5u * MakeEvent("0").ByteSizeLong());
  EXPECT_EQ(topic.bytes(), topic.published_bytes());
  EXPECT_EQ(topic.bytes(), topic.delivered_bytes());

  const v1::GetStatsResponse stats = GetStats(hub_.client());
  EXPECT_EQ(stats.version(), "test");
  EXPECT_TRUE(stats.writable());
  EXPECT_EQ(stats.topics(), 1u);
  EXPECT_EQ(stats.partitions(), 1u);
  EXPECT_EQ(stats.totals().published_events(), 5u);
  EXPECT_GE(stats.commits(), 2u);
  EXPECT_GE(stats.syncs(), 2u);
  EXPECT_EQ(stats.in_flight_bytes(), 0u);
  EXPECT_GT(stats.start_time().seconds(), 0);

  const v1::PartitionInfo partition = GetPartition(hub_.client(), "t");
  EXPECT_EQ(partition.start_offset(), 0);
  EXPECT_EQ(partition.end_offset(), 5);
  EXPECT_EQ(partition.bytes(), topic.bytes());
  EXPECT_GE(partition.last_append_time().seconds(), stats.start_time().seconds());
}

TEST_F(AdminTest, StatsCountReaders) {
  ASSERT_THAT(Create(Named("t")).status, IsOk());
  grpc::ClientContext context;
  v1::ReadRequest request = ReadOf("t");
  request.set_follow(true);
  const auto stream = hub_.client().hub().Read(&context, request);
  v1::ReadResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(Get("t").response.stats().readers(), 1u);
  context.TryCancel();
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return Get("t").response.stats().readers() == 0; }));
}

}  // namespace
}  // namespace eventhub
