// Runs a command with an event on its standard input, and returns how it ended.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {

// Splits a command into words as a shell does: at white space that is not in '…', in "…", or after
// a backslash. Expands nothing. INVALID_ARGUMENT if a quote is not closed, or there is no word.
absl::StatusOr<std::vector<std::string>> SplitCommand(absl::string_view text);

// The command to run. The program is searched for in PATH as by a shell.
struct CommandSpec {
  std::vector<std::string> words{};        // The program, and its arguments.
  std::vector<std::string> environment{};  // `NAME=value`, all of it.
  absl::string_view input{};               // On its standard input, which is a file.
};

// How a command ended.
struct CommandResult {
  int exit_code = 0;         // Of a command that exited.
  int signal = 0;            // The signal that killed it; 0: none.
  std::string last_error{};  // The last line that it wrote to stderr, cut after 512 bytes.
};

// Must be called before the first RunCommand. A process can inherit an ignored SIGCHLD, with which
// the system keeps no exit codes.
void ExpectCommands();

// Runs a command and waits for its end. Its stdout is that of this process, and so is its stderr.
// It is in a process group of its own, so that ctrl-C on the terminal does not reach it, and it
// gets no signal masks. Thread-safe.
//
//   INVALID_ARGUMENT     arguments and environment are larger than the system allows
//   RESOURCE_EXHAUSTED   no memory, process or file is left: it may work later
//   FAILED_PRECONDITION  the program is not there, or cannot be run
//   UNKNOWN              it was run, but the system does not tell how it ended
absl::StatusOr<CommandResult> RunCommand(const CommandSpec& spec);

// FAILED_PRECONDITION, naming it, if `program` is not an executable file in PATH.
absl::Status CheckProgram(const std::string& program);

}  // namespace eventhub::cli
