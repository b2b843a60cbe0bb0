#include "eventhub/link_client.h"

#include <utility>

#include "client/src/admin/all_pages.h"

namespace eventhub::client {

LinkClient::LinkClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::StatusOr<Link> LinkClient::CreateLink(const Link& link) {
  return connection_->links().CreateLink(link, options_.timeout);
}

absl::StatusOr<LinkDescription> LinkClient::GetLink(const std::string& name) {
  return connection_->links().GetLink(name, options_.timeout);
}

absl::StatusOr<std::vector<LinkDescription>> LinkClient::ListLinks() {
  return AllPages<LinkDescription>([this](const std::string& token) {
    return connection_->links().ListLinks(kPageSize, token, options_.timeout);
  });
}

absl::StatusOr<Link> LinkClient::UpdateLink(const std::string& name, const LinkUpdate& update) {
  return connection_->links().UpdateLink(name, update, options_.timeout);
}

absl::Status LinkClient::DeleteLink(const std::string& name) {
  return connection_->links().DeleteLink(name, options_.timeout);
}

}  // namespace eventhub::client
