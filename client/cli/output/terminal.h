// Data for a terminal, which cannot change its state.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace eventhub::cli {

// Appends `bytes` so that they stay on one line and cannot command the terminal: control
// characters become `\n`, `\t`, `\x1b`, …; so do bytes of what is not UTF-8.
void AppendPrintable(absl::string_view bytes, std::string* line);

// `bytes` in that form.
std::string Printable(absl::string_view bytes);

}  // namespace eventhub::cli
