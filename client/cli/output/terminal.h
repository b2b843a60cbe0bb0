// Makes data safe to print on a terminal.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace eventhub::cli {

// Appends `bytes` so that they stay on one line and cannot control the terminal: control
// characters, and bytes that are not UTF-8, are escaped as `\n`, `\t`, `\x1b`, ….
void AppendPrintable(absl::string_view bytes, std::string* line);

// Returns `bytes` in that form.
std::string Printable(absl::string_view bytes);

}  // namespace eventhub::cli
