// What to tell somebody who called the command line in a way that it does not take.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace eventhub::cli {

// The words of the command line as the library takes them, without the program's name:
//   - `--name=`, an empty value, becomes two words: the library would take the next word for the
//     value.
//   - `help topics` becomes `topics --help`.
//   - A command or an option that had another name before is given its name of today, so that old
//     scripts do what they did, and help and errors show the new name.
std::vector<std::string> CommandLineWords(const CLI::App& app, int argc, const char* const* argv);

// What is wrong, in one line and in words that are not the library's: which word is not known, and
// which one may have been meant.
std::string ExplainParseError(const CLI::App& app, const CLI::ParseError& error);

// How the user named an option: `--tls`, or EVENTHUB_TLS if its value is the one that the variable
// has.
std::string NameAsGiven(const CLI::Option& option);

}  // namespace eventhub::cli
