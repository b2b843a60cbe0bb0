// How often the crash tests kill their hub.
#pragma once

#include <cstdint>

#include "gtest/gtest.h"
#include "tests/support/env_number.h"
#include "tests/support/sanitizers.h"

namespace eventhub {

// Counts the rounds of a test, which end at random moments. EVENTHUB_TEST_CRASH_ROUNDS, or `usual`
// of them: half as many with AddressSanitizer, which looks for errors in what each round does, and
// makes a round several times as long.
class CrashRounds {
 public:
  explicit CrashRounds(uint64_t usual)
      : planned_(
            EnvNumber("EVENTHUB_TEST_CRASH_ROUNDS", kAddressSanitizer ? (usual + 1) / 2 : usual)) {}

  // Whether to begin another round. There are more than planned until `enough` was done in them,
  // and no more after a failure.
  bool Next(bool enough = true) {
    if (testing::Test::HasFailure() || (begun_ >= planned_ && enough)) return false;
    ++begun_;
    return true;
  }

  uint64_t planned() const { return planned_; }
  uint64_t begun() const { return begun_; }

 private:
  const uint64_t planned_;
  uint64_t begun_ = 0;
};

}  // namespace eventhub
