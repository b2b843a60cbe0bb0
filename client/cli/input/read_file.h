// Reads whole files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace eventhub::cli {

// Returns the content of a file; `-` is standard input. Errors name the file.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Returns the total number of bytes left to read; 0 if it is unknown for one of the files, e.g. a
// pipe.
uint64_t SizeOf(const std::vector<std::string>& paths);

// The name of the file in messages.
std::string FileName(const std::string& path);

}  // namespace eventhub::cli
