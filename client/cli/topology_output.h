// What applying a topology changes: for people, and as JSON.
#pragma once

#include <string>

#include "client/cli/json.h"
#include "client/cli/topology_risks.h"
#include "eventhub/topology.h"

namespace eventhub::cli {

Json ApplyJson(const client::ApplyResult& result, const PlanRisks& risks, bool dry_run);

// `+` for what is created, `~` with old and new values for what is updated, `-` for what is
// deleted, and `!` for the risks of a change; then what is left alone, and a sum.
std::string RenderApply(const client::ApplyResult& result, const PlanRisks& risks, bool dry_run);

}  // namespace eventhub::cli
