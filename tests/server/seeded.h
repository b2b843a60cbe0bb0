// Repeatable random tests.
#pragma once

#include <cstdint>
#include <iostream>
#include <random>

#include "gtest/gtest.h"
#include "tests/support/env_number.h"
#include "tests/support/sanitizers.h"

namespace eventhub {

// Prints its seed. EVENTHUB_TEST_SEED and EVENTHUB_TEST_STEPS repeat or extend a run.
class SeededTest : public testing::Test {
 protected:
  SeededTest() : seed_(EnvNumber("EVENTHUB_TEST_SEED", std::random_device()())), random_(seed_) {
    std::cout << "EVENTHUB_TEST_SEED=" << seed_ << std::endl;
  }

  static int Steps(int otherwise) {
    return static_cast<int>(
        EnvNumber("EVENTHUB_TEST_STEPS", static_cast<uint64_t>(otherwise / kStride)));
  }

  // A number in [from, to].
  int64_t Int(int64_t from, int64_t to) {
    return std::uniform_int_distribution<int64_t>(from, to)(random_);
  }
  bool OneIn(int n) { return Int(1, n) == 1; }

  const uint64_t seed_;
  std::mt19937_64 random_;
};

}  // namespace eventhub
