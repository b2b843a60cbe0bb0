#include "client/src/connection/grpc_topic_calls.h"

#include "client/src/admin/topic_proto.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

absl::StatusOr<Topic> GrpcTopicCalls::CreateTopic(const Topic& topic, absl::Duration timeout) {
  v1::CreateTopicRequest request;
  *request.mutable_topic() = ToProto(topic);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::CreateTopic, request, timeout));
  return FromProto(response.topic());
}

absl::StatusOr<TopicDescription> GrpcTopicCalls::GetTopic(const std::string& name,
                                                          absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Query(&Stub::GetTopic, Named<v1::GetTopicRequest>(name), timeout));
  TopicDescription topic{.topic = FromProto(response.topic()),
                         .stats = FromProto(response.stats()),
                         .findings = {response.findings().begin(), response.findings().end()}};
  if (response.has_archive()) topic.archive = FromProto(response.archive());
  return topic;
}

absl::StatusOr<Page<Topic>> GrpcTopicCalls::ListTopics(uint32_t page_size,
                                                       const std::string& page_token,
                                                       absl::Duration timeout) {
  v1::ListTopicsRequest request;
  SetPage(page_size, page_token, request);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::ListTopics, request, timeout));
  Page<Topic> page{.next_page_token = response.next_page_token()};
  for (const v1::Topic& topic : response.topics()) page.items.push_back(FromProto(topic));
  return page;
}

absl::StatusOr<Topic> GrpcTopicCalls::UpdateTopic(const std::string& name,
                                                  const TopicUpdate& update,
                                                  absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Call(&Stub::UpdateTopic, ToProto(name, update), timeout));
  return FromProto(response.topic());
}

absl::Status GrpcTopicCalls::DeleteTopic(const std::string& name, const TopicDeletion& deletion,
                                         absl::Duration timeout) {
  auto request = Named<v1::DeleteTopicRequest>(name);
  request.set_delete_subscriptions(deletion.delete_subscriptions);
  request.set_delete_routes(deletion.delete_routes);
  request.set_discard_dead_letters(deletion.discard_dead_letters);
  request.set_drop_unarchived(deletion.drop_unarchived);
  return service_.Call(&Stub::DeleteTopic, request, timeout).status();
}

absl::StatusOr<Page<PartitionInfo>> GrpcTopicCalls::ListPartitions(const std::string& topic,
                                                                   uint32_t page_size,
                                                                   const std::string& page_token,
                                                                   absl::Duration timeout) {
  v1::ListPartitionsRequest request;
  request.set_topic(topic);
  SetPage(page_size, page_token, request);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::ListPartitions, request, timeout));
  Page<PartitionInfo> page{.next_page_token = response.next_page_token()};
  for (const v1::PartitionInfo& info : response.partitions()) {
    page.items.push_back(FromProto(info));
  }
  return page;
}

}  // namespace eventhub::client
