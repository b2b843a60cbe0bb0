// Environment variables that repeat or prolong a test.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "absl/strings/numbers.h"

namespace eventhub {

// Returns the number in an environment variable, or `otherwise` if it is not set or not a number.
inline uint64_t EnvNumber(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  uint64_t number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : otherwise;
}

}  // namespace eventhub
