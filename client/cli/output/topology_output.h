// Prints the changes of a topology as text and as JSON.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/input/json.h"
#include "client/cli/output/topology_risks.h"
#include "eventhub/topology.h"

namespace eventhub::cli {

Json ApplyJson(const client::ApplyResult& result, const PlanRisks& risks, bool dry_run);

// Values of `tense`: the changes were made, or would be.
inline constexpr absl::string_view kApplied = "";
inline constexpr absl::string_view kPlanned = "would be: ";
inline constexpr absl::string_view kDryRun = "dry run, nothing was changed; would be: ";

// Prints created objects after `+`, updated ones after `~` with old and new values, deleted ones
// after `-`, and the risks of a change after `!`; then unchanged objects, and a sum that begins
// with `tense`.
std::string RenderApply(const client::ApplyResult& result, const PlanRisks& risks,
                        absl::string_view tense);

}  // namespace eventhub::cli
