// How often the crash tests kill their hub.
#pragma once

#include <cstdint>

#include "tests/support/env_number.h"
#include "tests/support/sanitizers.h"

namespace eventhub {

// EVENTHUB_TEST_CRASH_ROUNDS, or `usual`: half of it with AddressSanitizer, which looks for errors
// in what each round does, and makes a round several times as long.
inline uint64_t CrashRounds(uint64_t usual) {
  return EnvNumber("EVENTHUB_TEST_CRASH_ROUNDS", kAddressSanitizer ? (usual + 1) / 2 : usual);
}

}  // namespace eventhub
