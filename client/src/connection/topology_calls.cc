#include "eventhub/connection/topology_calls.h"

#include "client/src/connection/unimplemented.h"
#include "eventhub/topology.h"

namespace eventhub::client {

absl::StatusOr<ApplyResult> TopologyCalls::ApplyTopology(const Topology&, const ApplyOptions&,
                                                         absl::Duration) {
  return Unimplemented("ApplyTopology");
}

absl::StatusOr<Topology> TopologyCalls::ExportTopology(absl::Duration) {
  return Unimplemented("ExportTopology");
}

}  // namespace eventhub::client
