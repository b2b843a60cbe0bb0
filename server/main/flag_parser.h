// Sets Abseil flags from flag files, the environment and the command line. Each error is one line.
//
// absl::ParseCommandLine does not fit: it handles --help in its own way, and exits with code 1 on
// errors that a service supervisor should be able to tell apart. The flags, their types and the
// parsing of their values are Abseil's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub {

// The action that a command line requests.
enum class ParsedAction { kRun, kHelp, kVersion };

struct ParsedFlags {
  ParsedAction action = ParsedAction::kRun;
  // The flags that were set by environment variables, with the names of these.
  std::map<std::string, std::string> from_environment;
};

// Sets each flag of the program from its source with the highest precedence, in this order:
//
//   - `arguments`: "--name=value", "--name value", "--name" and "--noname" for booleans;
//     "--flagfile=FILE" names a file with one such argument per line, and # comments;
//   - the environment variable `environment_prefix` + NAME;
//   - its default.
//
// Returns INVALID_ARGUMENT, with the name of the flag or variable, on error.
absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>& arguments,
                                       absl::string_view environment_prefix);

// Takes an error about the value of a flag, which begins with `--name: `. If an environment
// variable set the flag, returns the error with the name of the variable instead.
absl::Status WithNameAsGiven(const absl::Status& error, const ParsedFlags& flags);

// Returns the flags with their meanings and defaults, for --help.
std::string DescribeFlags(absl::string_view environment_prefix);

}  // namespace eventhub
