// Options for the attributes of an event.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {

// The name and the value of a `NAME=VALUE`. INVALID_ARGUMENT for anything else, and for a name that
// CloudEvents does not have: it is of a-z and 0-9.
absl::StatusOr<std::pair<std::string, std::string>> ParseAttribute(absl::string_view text);

// Adds `--attribute=NAME=VALUE`, which may be repeated.
CLI::Option* AddAttributeOption(CLI::App& command, std::vector<std::string>* attributes);

// Their names and values. A usage error for what ParseAttribute refuses.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseAttributes(
    const std::vector<std::string>& attributes);

}  // namespace eventhub::cli
