// The operations of TopologyService, without the network.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/topology.pb.h"
#include "server/core/admin/topics.h"
#include "server/core/base/caller.h"
#include "server/core/link/links.h"
#include "server/core/route/routes.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topology/topology_kind.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe. Calls run one after another on a thread of this object: an apply waits for the one
// before it, and an export shows the hub between two applies. Other changes of the hub continue
// meanwhile; each change of a topology is checked again where it is applied, like a client's
// request.
class Topologies {
 public:
  // The arguments outlive this object.
  Topologies(Topics& topics, Subscriptions& subscriptions, Routes& routes, Links& links);

  // Finishes the calls submitted so far. No call may follow.
  void Stop() { pool_.Stop(); }

  // See TopologyService.ApplyTopology. Makes no more changes once the caller does not wait any
  // more; see Caller::Interruption.
  void Apply(const Caller& caller, v1::ApplyTopologyRequest request,
             ResponseDone<v1::ApplyTopologyResponse> done);

  // See TopologyService.ExportTopology.
  void Export(const Caller& caller, ResponseDone<v1::ExportTopologyResponse> done);

 private:
  absl::StatusOr<v1::ApplyTopologyResponse> ApplyNow(const Caller& caller,
                                                     const v1::ApplyTopologyRequest& request);
  v1::ExportTopologyResponse ExportNow(const Caller& caller);

  TopologyKinds kinds_;
  WorkPool pool_{1};  // Last: its thread uses the members above.
};

}  // namespace eventhub
