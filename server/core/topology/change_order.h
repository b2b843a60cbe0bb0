// The order in which the changes of a topology are made.
#pragma once

#include <vector>

#include "server/core/topology/fault_list.h"
#include "server/core/topology/topology_plan.h"

namespace eventhub {

// Puts the changes, all of which together are valid, in an order in which each can be made in a
// hub that has `hub` before; adds what cannot to `faults`.
//
// It tries them in an order that suits nearly always: what others need first, then what may keep
// events out of a topic, then deletions, what others need last. A change that is refused at its
// place, by the check that its own request has, comes again when the others have been made.
std::vector<PlannedChange> OrderChanges(std::vector<PlannedChange> changes, TopologyState hub,
                                        FaultList& faults);

}  // namespace eventhub
