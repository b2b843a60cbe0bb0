// Reads the words of the command line, and explains wrong usage.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace eventhub::cli {

// The words of the command line as the library takes them, without the program's name:
//   - `--name=`, an empty value, becomes two words: the library would take the next word for the
//     value.
//   - `help topics` becomes `topics --help`.
//   - The old name of a command or an option becomes its new one, so that old scripts still work,
//     and help and errors show the new name.
std::vector<std::string> CommandLineWords(const CLI::App& app, int argc, const char* const* argv);

// Explains the error in one line, in our words rather than the library's: which word is unknown,
// and which one was probably meant.
std::string ExplainParseError(const CLI::App& app, const CLI::ParseError& error);

// The name by which the user set an option: `--tls`, or EVENTHUB_TLS if that variable has its
// value.
std::string NameAsGiven(const CLI::Option& option);

}  // namespace eventhub::cli
