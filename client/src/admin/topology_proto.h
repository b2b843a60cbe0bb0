// The result of applying a topology, from the contract's messages.
#pragma once

#include "eventhub/topology.h"
#include "eventhub/v1/topology.pb.h"

namespace eventhub::client {

ApplyResult FromProto(const v1::ApplyTopologyResponse& proto);

}  // namespace eventhub::client
