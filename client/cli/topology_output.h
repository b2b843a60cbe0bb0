// What applying a topology changes: for people, and as JSON.
#pragma once

#include <string>

#include "client/cli/json.h"
#include "eventhub/topology.h"

namespace eventhub::cli {

Json ApplyJson(const client::ApplyResult& result, bool dry_run);

// `+` for what is created, `~` with old and new values for what is updated, `-` for what is
// deleted; then what is left alone, and a sum.
std::string RenderApply(const client::ApplyResult& result, bool dry_run);

}  // namespace eventhub::cli
