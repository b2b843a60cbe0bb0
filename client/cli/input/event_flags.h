// Options for the attributes of an event.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {

// Parses `NAME=VALUE`. INVALID_ARGUMENT for anything else, and for a name that is not valid in
// CloudEvents: names consist of a-z and 0-9.
absl::StatusOr<std::pair<std::string, std::string>> ParseAttribute(absl::string_view text);

// Adds `--attribute=NAME=VALUE`, which may be repeated.
CLI::Option* AddAttributeOption(CLI::App& command, std::vector<std::string>* attributes);

// Parses each of them. A usage error if ParseAttribute refuses one.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseAttributes(
    const std::vector<std::string>& attributes);

}  // namespace eventhub::cli
