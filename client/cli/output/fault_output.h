// Prints faults as JSON and as tables.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/output/topic_output.h"
#include "eventhub/subscription.h"

namespace eventhub::cli {

// `open`, `failed-again`, `resubmitted`, `resolved` or `discarded`.
absl::string_view StateName(client::DeadLetterState state);

// With the event and its data only if `with_event`.
Json FaultJson(const client::DeadLetter& fault, bool with_event);
Json FaultGroupJson(const client::DeadLetterGroup& group);

std::string RenderFaults(const std::vector<client::DeadLetter>& faults);
std::string RenderFaultGroups(const std::vector<client::DeadLetterGroup>& groups);

}  // namespace eventhub::cli
