#include "server/rpc/topology_service.h"

#include <utility>

namespace eventhub {

TopologyService::TopologyService(Topologies& topologies, const Calls& calls) : UnaryService(calls) {
  Serve(kTopologyRequest, [&topologies](const Caller& caller, v1::ApplyTopologyRequest&& request,
                                        Reply<v1::ApplyTopologyResponse> reply) {
    topologies.Apply(caller, std::move(request), reply);
  });
  Serve(kNameRequest, [&topologies](const Caller& caller, const v1::ExportTopologyRequest&,
                                    Reply<v1::ExportTopologyResponse> reply) {
    topologies.Export(caller, reply);
  });
}

}  // namespace eventhub
