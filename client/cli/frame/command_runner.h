// Runs a command for an event: data in, an exit code and the last words out.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {

// The words of a command as a shell splits them: by white space, but for what is in '…', "…", or
// behind a backslash. Nothing is expanded. INVALID_ARGUMENT if a quote does not end, or there is no
// word.
absl::StatusOr<std::vector<std::string>> SplitCommand(absl::string_view text);

// What to run. `program` is looked for in PATH as a shell does.
struct CommandSpec {
  std::vector<std::string> words{};        // The program, and its arguments.
  std::vector<std::string> environment{};  // `NAME=value`, all of it.
  absl::string_view input{};               // On its standard input, which is a file.
};

// How it ended.
struct CommandResult {
  int exit_code = 0;         // Of a command that exited by itself.
  int signal = 0;            // That killed it; 0: none.
  std::string last_error{};  // The last line that it wrote to stderr, cut after 512 bytes.
};

// To be called before the first RunCommand. A process may be born ignoring the ends of its
// children, and the system then keeps no exit codes for it.
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
