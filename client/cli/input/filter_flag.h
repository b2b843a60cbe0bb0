// The option --filter.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "eventhub/filter.h"

namespace eventhub::cli {

// Adds `--filter`: an expression, a filter in JSON, or `none`, which leaves the inner optional
// unset. `what` is the description, e.g. "Deliver only what passes".
void AddFilterOption(CLI::App& command, std::optional<std::optional<client::Filter>>* filter,
                     const std::string& what);

}  // namespace eventhub::cli
