// Prints the changes of a topology: as text and as JSON.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/input/json.h"
#include "client/cli/output/topology_risks.h"
#include "eventhub/topology.h"

namespace eventhub::cli {

Json ApplyJson(const client::ApplyResult& result, const PlanRisks& risks, bool dry_run);

// Whether the changes are made.
inline constexpr absl::string_view kApplied = "";
inline constexpr absl::string_view kPlanned = "would be: ";
inline constexpr absl::string_view kDryRun = "dry run, nothing was changed; would be: ";

// `+` for what is created, `~` with old and new values for what is updated, `-` for what is
// deleted, and `!` for the risks of a change; then what is left alone, and a sum, after `tense`.
std::string RenderApply(const client::ApplyResult& result, const PlanRisks& risks,
                        absl::string_view tense);

}  // namespace eventhub::cli
