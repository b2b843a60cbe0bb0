// The daemon's log: spdlog to stderr, for people or for machines. No line is written per event.
#pragma once

#include <string>

namespace eventhub {

// Sets up the default logger. `format` is "text" or "json", `level` one that spdlog knows.
void SetUpLogging(const std::string& format, const std::string& level);

}  // namespace eventhub
