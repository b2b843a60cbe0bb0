// Topology calls: how TopologyClient reaches a hub.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eventhub::client {

struct ApplyOptions;
struct ApplyResult;
class Topology;

// The topology of a hub; see TopologyClient for the contract of each call. Thread-safe; each call
// blocks until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call that a class does not
// override returns UNIMPLEMENTED.
class TopologyCalls {
 public:
  virtual ~TopologyCalls() = default;

  virtual absl::StatusOr<ApplyResult> ApplyTopology(const Topology& topology,
                                                    const ApplyOptions& options,
                                                    absl::Duration timeout);
  virtual absl::StatusOr<Topology> ExportTopology(absl::Duration timeout);
};

}  // namespace eventhub::client
