#include "tests/support/hub_calls.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"

namespace eventhub {
namespace {

constexpr auto kNoReason = static_cast<v1::ErrorDetail::Reason>(-1);

template <typename Request>
Request MakeRequest(const std::string& topic, int count, const std::string& data) {
  Request request;
  request.set_topic(topic);
  for (int i = 0; i < count; ++i) *request.add_events() = MakeEvent(std::to_string(i), data);
  return request;
}

}  // namespace

v1::Event MakeEvent(const std::string& id, const std::string& data, const std::string& key) {
  v1::Event event;
  event.set_id(id);
  event.set_source("/tests");
  event.set_type("test.done");
  event.set_partition_key(key);
  event.set_data(data);
  return event;
}

v1::PublishRequest MakePublish(const std::string& topic, int count, const std::string& data) {
  return MakeRequest<v1::PublishRequest>(topic, count, data);
}

v1::PublishStreamRequest MakeStreamPublish(const std::string& topic, uint64_t correlation_id,
                                           int count, const std::string& data) {
  auto request = MakeRequest<v1::PublishStreamRequest>(topic, count, data);
  request.set_correlation_id(correlation_id);
  return request;
}

void CreateTopic(HubClient& client, const std::string& name, uint32_t partitions) {
  v1::Topic topic;
  topic.set_name(name);
  topic.set_partitions(partitions);
  CreateTopic(client, topic);
}

void CreateTopic(HubClient& client, const v1::Topic& topic) {
  grpc::ClientContext context;
  v1::CreateTopicRequest request;
  v1::CreateTopicResponse response;
  *request.mutable_topic() = topic;
  ASSERT_THAT(client.admin().CreateTopic(&context, request, &response), IsOk());
}

grpc::Status CallRaw(HubClient& client, const std::string& path, const std::string& request) {
  grpc::GenericStub stub(client.channel());
  grpc::ClientContext context;
  grpc::Slice slice(request);
  const grpc::ByteBuffer message(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, path, {}, &message, &response, [&](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  return status;
}

Outcome<v1::PublishResponse> TryPublish(HubClient& client, const v1::PublishRequest& request) {
  grpc::ClientContext context;
  Outcome<v1::PublishResponse> outcome;
  outcome.status = client.hub().Publish(&context, request, &outcome.response);
  return outcome;
}

v1::PublishResult Publish(HubClient& client, const v1::PublishRequest& request) {
  const Outcome<v1::PublishResponse> outcome = TryPublish(client, request);
  EXPECT_THAT(outcome.status, IsOk());
  return outcome.response.result();
}

v1::GetStatsResponse GetStats(HubClient& client) {
  grpc::ClientContext context;
  v1::GetStatsResponse response;
  EXPECT_THAT(client.admin().GetStats(&context, {}, &response), IsOk());
  return response;
}

v1::PartitionInfo GetPartition(HubClient& client, const std::string& topic, uint32_t partition) {
  grpc::ClientContext context;
  v1::ListPartitionsRequest request;
  v1::ListPartitionsResponse response;
  request.set_topic(topic);
  request.set_page_size(1000);
  EXPECT_THAT(client.admin().ListPartitions(&context, request, &response), IsOk());
  if (static_cast<int>(partition) >= response.partitions_size()) {
    ADD_FAILURE() << "no partition " << partition << " of " << topic;
    return {};
  }
  return response.partitions(static_cast<int>(partition));
}

std::vector<std::string> ReadOutcome::ids() const {
  std::vector<std::string> ids;
  for (const v1::ReadResponse& response : responses) {
    for (const v1::EventBatch& batch : response.batches()) {
      for (const v1::Event& event : batch.events()) ids.push_back(event.id());
    }
  }
  return ids;
}

ReadOutcome ReadAll(HubClient& client, const v1::ReadRequest& request) {
  grpc::ClientContext context;
  ReadOutcome outcome;
  const auto stream = client.hub().Read(&context, request);
  for (v1::ReadResponse response; stream->Read(&response);) outcome.responses.push_back(response);
  outcome.status = stream->Finish();
  return outcome;
}

v1::ReadRequest ReadOf(const std::string& topic) {
  v1::ReadRequest request;
  request.set_topic(topic);
  return request;
}

v1::ErrorDetail DetailOf(const v1::ErrorStatus& status) {
  v1::ErrorDetail detail;
  if (status.details_size() != 1 || !status.details(0).UnpackTo(&detail)) {
    detail.set_reason(kNoReason);
  }
  return detail;
}

v1::ErrorDetail DetailOf(const grpc::Status& status) {
  v1::ErrorStatus error;
  if (!error.ParseFromString(status.error_details()) || error.code() != status.error_code() ||
      error.message() != status.error_message()) {
    v1::ErrorDetail none;
    none.set_reason(kNoReason);
    return none;
  }
  return DetailOf(error);
}

}  // namespace eventhub
