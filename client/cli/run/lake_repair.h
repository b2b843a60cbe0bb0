// Repairs what `lake verify` found, with events of a hub.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/cli/frame/command.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/read/verify.h"
#include "server/lake/store/object_store.h"

namespace eventhub::cli {

struct RepairTally {
  uint64_t rebuilt = 0;
  uint64_t removed = 0;    // Orphans.
  uint64_t removable = 0;  // Orphans that were left, because nobody allowed to remove them.
  std::string text{};      // What was done, and what could not be done, a line each.
};

// Rebuilds the damaged objects of the report from the hub's log, and removes old orphans if
// `remove`. Adds to `*tally`. Objects that cannot be rebuilt are no error. Errors of the store.
absl::Status RepairTopic(lake::ObjectStore& store, const lake::LakeTopic& topic,
                         const lake::VerifyReport& report, const Context& context, bool remove,
                         RepairTally* tally);

}  // namespace eventhub::cli
