// What repeats or prolongs a test from outside.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "absl/strings/numbers.h"

namespace eventhub {

// The number that an environment variable holds; `otherwise` if it is not set, or no number.
inline uint64_t EnvNumber(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  uint64_t number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : otherwise;
}

}  // namespace eventhub
