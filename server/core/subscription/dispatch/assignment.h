// The assignment of partitions to the consumers of a STREAM subscription.
#pragma once

#include <vector>

#include "server/core/subscription/cursor/pending_ranges.h"

namespace eventhub {

// Assigns partitions to consumers: balanced (shares differ by at most one), with as few moves as
// that allows. `owners` holds the current owner of each partition, ConsumerId() for none; owners
// that are not among the consumers count as none. Returns the new owner of each partition: none
// only if there are no consumers. Deterministic.
std::vector<ConsumerId> PlanAssignment(const std::vector<ConsumerId>& owners,
                                       const std::vector<ConsumerId>& consumers);

}  // namespace eventhub
