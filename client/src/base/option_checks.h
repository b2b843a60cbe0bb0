// Checks of options that a program sets.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace eventhub::client {

// INVALID_ARGUMENT, naming the option, if the value is less than `min` or more than `max`.
absl::Status CheckRange(const char* option, uint64_t value, uint64_t min, uint64_t max);

// INVALID_ARGUMENT, naming the option, if the value is 0 or less.
absl::Status CheckMoreThanZero(const char* option, absl::Duration value);

}  // namespace eventhub::client
