// Declarative administration: makes a hub what a topology says.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/topology.h"

namespace eventhub::client {

// The topology of a hub. Thread-safe; every method blocks. A call is made once, not retried,
// unless it is a dry run; UNAVAILABLE means that the hub could not be reached, and after it, or
// DEADLINE_EXCEEDED, some changes may have been made: to apply is idempotent, so do it again.
//
// Example:
//
//     TopologyClient client(Connect("localhost:7070"));
//     auto would = client.Apply(topology, {.dry_run = true});
class TopologyClient {
 public:
  explicit TopologyClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Makes the hub what `topology` says; what is as it should be is left alone. Fields that are not
  // set get their defaults, also in what exists already. INVALID_ARGUMENT or FAILED_PRECONDITION,
  // with all that is wrong, a line each: nothing was changed.
  absl::StatusOr<ApplyResult> Apply(const Topology& topology, const ApplyOptions& options = {});

  // The hub as it is, such that to apply it to an empty hub makes another like it.
  absl::StatusOr<Topology> Export();

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
