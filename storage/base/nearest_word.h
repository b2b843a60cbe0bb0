// Suggests a known word for one that a program does not know.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace eventhub {

// Returns the candidate of which `word` may be a misspelling, or an empty string if none is close.
std::string NearestWord(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace eventhub
