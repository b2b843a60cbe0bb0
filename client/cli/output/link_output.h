// Prints links and their state as tables, as a report and as JSON.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/output/topic_output.h"
#include "eventhub/link.h"

namespace eventhub::cli {

Json LinkJson(const client::Link& link);
Json LinkStatusJson(const client::LinkStatus& status);

Fields LinkFields(const client::Link& link);
std::string RenderLinks(const std::vector<client::LinkDescription>& links);
// The report begins with the state in words.
std::string RenderLinkReport(const client::LinkDescription& link, absl::Time now);

}  // namespace eventhub::cli
