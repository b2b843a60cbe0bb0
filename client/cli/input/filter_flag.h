// The option --filter, wherever something can be filtered.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "eventhub/filter.h"

namespace eventhub::cli {

// Adds `--filter`: an expression, a filter in JSON, or `none`, for which the inner optional is not
// set. `what` says what becomes of events that pass, e.g. "Deliver only what passes".
void AddFilterOption(CLI::App& command, std::optional<std::optional<client::Filter>>* filter,
                     const std::string& what);

}  // namespace eventhub::cli
