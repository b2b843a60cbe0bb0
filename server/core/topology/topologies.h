// What TopologyService does, without the network.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/topology.pb.h"
#include "server/core/admin/topics.h"
#include "server/core/link/links.h"
#include "server/core/route/routes.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topology/topology_kind.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe. Calls are carried out one after another, on a thread of this: an apply waits for the
// one before, and an export is of the hub between two of them. Other changes of the hub go on
// meanwhile; each change of a topology is checked again where it is made, as if a client had asked
// for it.
class Topologies {
 public:
  // What is given outlives this.
  Topologies(Topics& topics, Subscriptions& subscriptions, Routes& routes, Links& links);

  // Finishes what was asked for. Nothing may be asked for after it.
  void Stop() { pool_.Stop(); }

  // See TopologyService.ApplyTopology. `gave_up` says whether the caller wants no more of it, and
  // is asked before each change, from the thread of this: then no more changes are made
  // (CANCELLED).
  void Apply(v1::ApplyTopologyRequest request, absl::AnyInvocable<bool()> gave_up,
             ResponseDone<v1::ApplyTopologyResponse> done);

  // See TopologyService.ExportTopology.
  void Export(ResponseDone<v1::ExportTopologyResponse> done);

 private:
  absl::StatusOr<v1::ApplyTopologyResponse> ApplyNow(const v1::ApplyTopologyRequest& request,
                                                     absl::AnyInvocable<bool()>& gave_up);
  v1::ExportTopologyResponse ExportNow();

  TopologyKinds kinds_;
  WorkPool pool_{1};  // Last: it uses what is above.
};

}  // namespace eventhub
