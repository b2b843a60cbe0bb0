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

// The links of a hub. Thread-safe; every method blocks. Like those of AdminClient, calls wait
// for the hub, calls that change nothing are retried once, and an error may leave the outcome of a
// change unknown. A successful change is durable: synced to the hub's disk. All methods return
// NOT_FOUND if the link does not exist, and INVALID_ARGUMENT, naming the field, if a setting is
// invalid.
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

  // Creates a link, which starts to connect. ALREADY_EXISTS if the name is taken, whatever the
  // settings; NOT_FOUND if the local topic does not exist.
  absl::StatusOr<Link> CreateLink(const Link& link);

  absl::StatusOr<LinkDescription> GetLink(const std::string& name);

  // All links, by name.
  absl::StatusOr<std::vector<LinkDescription>> ListLinks();

  // Changes the fields that `update` sets and returns the changed link. INVALID_ARGUMENT if it sets
  // no field.
  absl::StatusOr<Link> UpdateLink(const std::string& name, const LinkUpdate& update);

  // Deletes a link with its positions; events that it appended stay.
  absl::Status DeleteLink(const std::string& name);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
