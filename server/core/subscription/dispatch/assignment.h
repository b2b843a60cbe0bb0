// Which consumer of a STREAM subscription has which partition.
#pragma once

#include <vector>

#include "server/core/subscription/cursor/pending_ranges.h"

namespace eventhub {

// Shares partitions out to consumers: balanced (no two differ by more than one), and moving as few
// as that allows. `owners` has the present owner of each partition, ConsumerId() for none; owners
// that are not among the consumers count as none. Returns the owner that each partition is to have:
// none only if there are no consumers. The same input gives the same result.
std::vector<ConsumerId> PlanAssignment(const std::vector<ConsumerId>& owners,
                                       const std::vector<ConsumerId>& consumers);

}  // namespace eventhub
