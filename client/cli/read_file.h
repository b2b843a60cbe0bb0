// Files that are read as a whole.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace eventhub::cli {

// The content of a file; `-` is standard input. The error names it.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// What messages call it.
std::string FileName(const std::string& path);

}  // namespace eventhub::cli
