// Files that are read as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace eventhub::cli {

// The content of a file; `-` is standard input. The error names it.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// What is still to be read of all of them; 0 if that is not known of one, e.g. because it is a
// pipe.
uint64_t SizeOf(const std::vector<std::string>& paths);

// What messages call it.
std::string FileName(const std::string& path);

}  // namespace eventhub::cli
