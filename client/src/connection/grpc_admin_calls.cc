// The calls of AdminService, and the health check.

#include "client/src/admin/topic_proto.h"
#include "client/src/base/proto_time.h"
#include "client/src/connection/grpc_connection.h"

namespace eventhub::client {

absl::StatusOr<Topic> GrpcConnection::CreateTopic(const Topic& topic, absl::Duration timeout) {
  v1::CreateTopicRequest request;
  *request.mutable_topic() = ToProto(topic);
  const auto response = Call(admin_, &v1::AdminService::Stub::CreateTopic, request, timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->topic());
}

absl::StatusOr<TopicDescription> GrpcConnection::GetTopic(const std::string& name,
                                                          absl::Duration timeout) {
  v1::GetTopicRequest request;
  request.set_name(name);
  const auto response = Query(admin_, &v1::AdminService::Stub::GetTopic, request, timeout);
  if (!response.ok()) return response.status();
  return TopicDescription{FromProto(response->topic()),
                          FromProto(response->stats()),
                          {response->findings().begin(), response->findings().end()}};
}

absl::StatusOr<Page<Topic>> GrpcConnection::ListTopics(uint32_t page_size,
                                                       const std::string& page_token,
                                                       absl::Duration timeout) {
  v1::ListTopicsRequest request;
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  const auto response = Query(admin_, &v1::AdminService::Stub::ListTopics, request, timeout);
  if (!response.ok()) return response.status();
  Page<Topic> page{.next_page_token = response->next_page_token()};
  for (const v1::Topic& topic : response->topics()) page.items.push_back(FromProto(topic));
  return page;
}

absl::StatusOr<Topic> GrpcConnection::UpdateTopic(const std::string& name,
                                                  const TopicUpdate& update,
                                                  absl::Duration timeout) {
  const auto response =
      Call(admin_, &v1::AdminService::Stub::UpdateTopic, ToProto(name, update), timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->topic());
}

absl::Status GrpcConnection::DeleteTopic(const std::string& name, const TopicDeletion& deletion,
                                         absl::Duration timeout) {
  v1::DeleteTopicRequest request;
  request.set_name(name);
  request.set_delete_subscriptions(deletion.delete_subscriptions);
  request.set_delete_routes(deletion.delete_routes);
  request.set_discard_dead_letters(deletion.discard_dead_letters);
  return Call(admin_, &v1::AdminService::Stub::DeleteTopic, request, timeout).status();
}

absl::StatusOr<Page<PartitionInfo>> GrpcConnection::ListPartitions(const std::string& topic,
                                                                   uint32_t page_size,
                                                                   const std::string& page_token,
                                                                   absl::Duration timeout) {
  v1::ListPartitionsRequest request;
  request.set_topic(topic);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  const auto response = Query(admin_, &v1::AdminService::Stub::ListPartitions, request, timeout);
  if (!response.ok()) return response.status();
  Page<PartitionInfo> page{.next_page_token = response->next_page_token()};
  for (const v1::PartitionInfo& info : response->partitions()) {
    page.items.push_back(FromProto(info));
  }
  return page;
}

absl::StatusOr<HubStats> GrpcConnection::GetStats(absl::Duration timeout) {
  const auto response =
      Query(admin_, &v1::AdminService::Stub::GetStats, v1::GetStatsRequest(), timeout);
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

absl::StatusOr<absl::Time> GrpcConnection::ConfirmClock(absl::Duration timeout) {
  const auto response =
      Call(admin_, &v1::AdminService::Stub::ConfirmClock, v1::ConfirmClockRequest(), timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->time());
}

absl::StatusOr<Health> GrpcConnection::CheckHealth(const std::string& service,
                                                   absl::Duration timeout) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  grpc::ClientContext context;
  context.set_deadline(DeadlineAfter(timeout));
  const CancellableCall cancellable(calls_, context);
  const grpc::Status status = health_.Check(&context, request, &response);
  if (!status.ok()) return FailureOf(status, context);
  switch (response.status()) {
    case grpc::health::v1::HealthCheckResponse::SERVING:
      return Health::kServing;
    case grpc::health::v1::HealthCheckResponse::NOT_SERVING:
      return Health::kNotServing;
    default:
      return Health::kUnknown;
  }
}

}  // namespace eventhub::client
