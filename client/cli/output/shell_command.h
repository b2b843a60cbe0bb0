// Commands that people copy into a shell.
#pragma once

#include <string>
#include <vector>

namespace eventhub::cli {

// The words of a command as one line, quoted where the shell would not take them as they are.
std::string ShellCommand(const std::vector<std::string>& words);

}  // namespace eventhub::cli
