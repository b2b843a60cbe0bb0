// Makes data safe to print on a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace eventhub::cli {

// Appends `bytes` so that they stay on one line and cannot control the terminal: control
// characters, and bytes that are not UTF-8, are escaped as `\n`, `\t`, `\x1b`, ….
void AppendPrintable(absl::string_view bytes, std::string* line);

// Returns `bytes` in that form.
std::string Printable(absl::string_view bytes);

// For the column of a table: the same for about the first `max_bytes`, and an ellipsis if there are
// more.
std::string PrintableStart(absl::string_view bytes, size_t max_bytes);

}  // namespace eventhub::cli
