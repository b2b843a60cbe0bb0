// What a hub knows of an erased subject.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace eventhub::client {

// A record that a subject was erased; see eventhub/v1/erasure.proto. It does not have the subject's
// name.
struct Erasure {
  // The first 16 bytes of the SHA-256 of the subject, as 32 hexadecimal digits.
  std::string subject_hash{};
  // When it was erased, last if repeatedly.
  absl::Time erase_time = absl::InfinitePast();
  // The keys that were destroyed, over all erasures of the subject.
  uint64_t destroyed_keys = 0;
  // Who requested it.
  std::string principal{};
};

}  // namespace eventhub::client
