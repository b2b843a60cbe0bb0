// Declarative administration: makes a hub match a topology.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/topology.h"

namespace eventhub::client {

// The topology of a hub. Thread-safe; every method blocks. Calls wait for the hub like those of
// AdminClient; only dry runs and exports are retried. After UNAVAILABLE or DEADLINE_EXCEEDED some
// changes may have been made: Apply is idempotent, so call it again.
//
// Example:
//
//     TopologyClient client(Connect("localhost:7070"));
//     auto would = client.Apply(topology, {.dry_run = true});
class TopologyClient {
 public:
  explicit TopologyClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Makes the hub match `topology`; what already matches is left unchanged. Unset fields get their
  // defaults, also on existing objects. INVALID_ARGUMENT or FAILED_PRECONDITION, with one line for
  // each fault: nothing was changed.
  absl::StatusOr<ApplyResult> Apply(const Topology& topology, const ApplyOptions& options = {});

  // The topology of the hub. Applied to an empty hub, it makes that hub match this one.
  absl::StatusOr<Topology> Export();

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
