// What may have been meant by a word that a program does not know.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace eventhub {

// That of `candidates` which `word` may be a slip of the keyboard for; empty if none is near.
std::string NearestWord(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace eventhub
