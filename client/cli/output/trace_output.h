// Prints traces as trees and as JSON.
#pragma once

#include <string>

#include "client/cli/input/json.h"
#include "client/cli/run/event_trace.h"

namespace eventhub::cli {

// One tree for each root. With `color`, for a terminal.
std::string RenderTrace(const EventTrace& trace, bool color);

// The tree below the event with this index.
Json TraceJson(const EventTrace& trace, size_t event);

}  // namespace eventhub::cli
