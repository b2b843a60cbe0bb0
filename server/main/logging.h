// The daemon's log: spdlog to stderr, for people or for machines. Nothing is logged per event, and
// logging does not wait for the output.
#pragma once

#include <string>

namespace eventhub {

// Sets up the default logger. `format` is "text" or "json", `level` a level that spdlog knows.
void SetUpLogging(const std::string& format, const std::string& level);

}  // namespace eventhub
