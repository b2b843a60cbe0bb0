// Administers links to other hubs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/link.h"

namespace eventhub::client {

// The links of a hub. Thread-safe; every method blocks. As those of AdminClient, calls wait for the
// hub, those that change nothing are made once more, and an error may leave a change in doubt.
// Changes are on the hub's disk (synced) when they are answered. Everywhere: NOT_FOUND if there is
// no such link; INVALID_ARGUMENT names the field.
//
// Example:
//
//     LinkClient links(Connect("localhost:7070"));
//     auto billing = links.CreateLink({.name = "from-shop",
//                                      .remote_address = "shop:7070",
//                                      .remote_topic = "egress",
//                                      .local_topic = "ingress"});
class LinkClient {
 public:
  explicit LinkClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Creates a link, which begins to connect. ALREADY_EXISTS if there is one of that name, whatever
  // its settings; NOT_FOUND if there is no such topic here.
  absl::StatusOr<Link> CreateLink(const Link& link);

  absl::StatusOr<LinkDescription> GetLink(const std::string& name);

  // All links by name.
  absl::StatusOr<std::vector<LinkDescription>> ListLinks();

  // Changes what `update` sets and returns the link as it is then. INVALID_ARGUMENT if it sets
  // nothing.
  absl::StatusOr<Link> UpdateLink(const std::string& name, const LinkUpdate& update);

  // Deletes it with its positions; what it appended stays.
  absl::Status DeleteLink(const std::string& name);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
