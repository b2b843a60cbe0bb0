#include "eventhub/admin_client.h"

#include <iterator>
#include <utility>

namespace eventhub::client {
namespace {

constexpr uint32_t kPageSize = 1000;

// All pages of a list, one after another; `fetch` gets a page token.
template <typename T, typename Fetch>
absl::StatusOr<std::vector<T>> AllPages(Fetch fetch) {
  std::vector<T> items;
  std::string token;
  do {
    absl::StatusOr<Page<T>> page = fetch(token);
    if (!page.ok()) return page.status();
    std::move(page->items.begin(), page->items.end(), std::back_inserter(items));
    token = std::move(page->next_page_token);
  } while (!token.empty());
  return items;
}

}  // namespace

AdminClient::AdminClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::StatusOr<Topic> AdminClient::CreateTopic(const Topic& topic) {
  return connection_->CreateTopic(topic, options_.timeout);
}

absl::StatusOr<TopicDescription> AdminClient::GetTopic(const std::string& name) {
  return connection_->GetTopic(name, options_.timeout);
}

absl::StatusOr<std::vector<Topic>> AdminClient::ListTopics() {
  return AllPages<Topic>([this](const std::string& token) {
    return connection_->ListTopics(kPageSize, token, options_.timeout);
  });
}

absl::StatusOr<Topic> AdminClient::UpdateTopic(const std::string& name, const TopicUpdate& update) {
  return connection_->UpdateTopic(name, update, options_.timeout);
}

absl::Status AdminClient::DeleteTopic(const std::string& name) {
  return connection_->DeleteTopic(name, options_.timeout);
}

absl::StatusOr<std::vector<PartitionInfo>> AdminClient::ListPartitions(const std::string& topic) {
  return AllPages<PartitionInfo>([&](const std::string& token) {
    return connection_->ListPartitions(topic, kPageSize, token, options_.timeout);
  });
}

absl::StatusOr<HubStats> AdminClient::GetStats() { return connection_->GetStats(options_.timeout); }

absl::StatusOr<Health> AdminClient::CheckHealth(const std::string& service) {
  return connection_->CheckHealth(service, options_.timeout);
}

}  // namespace eventhub::client
