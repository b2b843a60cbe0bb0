#include "eventhub/admin_client.h"

#include <utility>

#include "client/src/admin/all_pages.h"

namespace eventhub::client {
AdminClient::AdminClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::StatusOr<Topic> AdminClient::CreateTopic(const Topic& topic) {
  return connection_->topics().CreateTopic(topic, options_.timeout);
}

absl::StatusOr<TopicDescription> AdminClient::GetTopic(const std::string& name) {
  return connection_->topics().GetTopic(name, options_.timeout);
}

absl::StatusOr<std::vector<Topic>> AdminClient::ListTopics() {
  return AllPages<Topic>([this](const std::string& token) {
    return connection_->topics().ListTopics(kPageSize, token, options_.timeout);
  });
}

absl::StatusOr<Topic> AdminClient::UpdateTopic(const std::string& name, const TopicUpdate& update) {
  return connection_->topics().UpdateTopic(name, update, options_.timeout);
}

absl::Status AdminClient::DeleteTopic(const std::string& name, const TopicDeletion& deletion) {
  return connection_->topics().DeleteTopic(name, deletion, options_.timeout);
}

absl::StatusOr<std::vector<PartitionInfo>> AdminClient::ListPartitions(const std::string& topic) {
  return AllPages<PartitionInfo>([&](const std::string& token) {
    return connection_->topics().ListPartitions(topic, kPageSize, token, options_.timeout);
  });
}

absl::StatusOr<HubStats> AdminClient::GetStats() {
  return connection_->health().GetStats(options_.timeout);
}

absl::StatusOr<absl::Time> AdminClient::ConfirmClock() {
  return connection_->health().ConfirmClock(options_.timeout);
}

absl::StatusOr<Health> AdminClient::CheckHealth(const std::string& service) {
  return connection_->health().CheckHealth(service, options_.timeout);
}

}  // namespace eventhub::client
