// Options that say what an event has, wherever one is made.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace eventhub::cli {

// Adds `--attribute=NAME=VALUE`, which may be repeated.
CLI::Option* AddAttributeOption(CLI::App& command, std::vector<std::string>* attributes);

// Their names and values. A usage error for what is not NAME=VALUE.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseAttributes(
    const std::vector<std::string>& attributes);

}  // namespace eventhub::cli
