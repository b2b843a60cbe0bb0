// The order in which the changes of a topology are applied.
#pragma once

#include <vector>

#include "server/core/topology/fault_list.h"
#include "server/core/topology/topology_plan.h"

namespace eventhub {

// Orders changes that are valid together so that each can be applied in turn, starting from the
// state `hub`; adds changes that cannot be ordered to `faults`.
//
// It first tries the usual order: objects that others need before those others, then changes that
// may keep events out of a topic, then deletions, with the objects that others need last. A change
// that its own request's check refuses at its place is retried after the others.
std::vector<PlannedChange> OrderChanges(std::vector<PlannedChange> changes, TopologyState hub,
                                        FaultList& faults);

}  // namespace eventhub
