// The daemon's log: spdlog to stderr, for people or for machines. Nothing is logged per event, and
// logging does not wait for the output.
#pragma once

#include <string>

namespace eventhub {

// Sets up the default logger. `format` is "text" or "json", `level` a level that spdlog knows.
void SetUpLogging(const std::string& format, const std::string& level);

// Writes the lines that wait, for a process that exits without the end of main(): as many as are
// taken within a second. Nothing may be logged afterwards.
void FlushLog();

}  // namespace eventhub
