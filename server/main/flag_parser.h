// Sets Abseil flags from flag files, the environment and the command line, with errors that are one
// line each.
//
// absl::ParseCommandLine ends the process with exit code 1, and has its own idea of --help, on what
// a service supervisor should be able to tell apart; the flags themselves, their types and their
// reading are Abseil's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub {

// What a command line asks for.
enum class ParsedAction { kRun, kHelp, kVersion };

struct ParsedFlags {
  ParsedAction action = ParsedAction::kRun;
  // The flags whose values are those of environment variables, and these.
  std::map<std::string, std::string> from_environment;
};

// Sets each flag of the program from, in order of precedence: `arguments` ("--name=value", "--name
// value", "--name" and
// "--noname" for booleans; "--flagfile=FILE" has one such argument per line, and # comments); the
// environment variable `environment_prefix` + NAME; its default. INVALID_ARGUMENT names the flag,
// or variable, at fault.
absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>& arguments,
                                       absl::string_view environment_prefix);

// Of an error in the value of a flag, which begins with `--name: `: the same, but the variable in
// place of the flag that was set by one.
absl::Status WithNameAsGiven(const absl::Status& error, const ParsedFlags& flags);

// The flags with their meaning and default, for --help.
std::string DescribeFlags(absl::string_view environment_prefix);

}  // namespace eventhub
