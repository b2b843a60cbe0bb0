// What a change of a topology takes away for good, or moves, so that it is asked for.
#pragma once

#include <string>
#include <vector>

#include "eventhub/topology.h"

namespace eventhub::cli {

// In words, each of them after "it": `deletes events appended more than 7d ago`. Empty if the
// change can be taken back.
std::vector<std::string> RisksOf(const client::TopologyChange& change);

}  // namespace eventhub::cli
