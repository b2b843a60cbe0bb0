// Shared by the fuzz targets: a check that does not depend on the build, and a hub in memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "google/protobuf/stubs/logging.h"

// Ends the run with a report of the input, in every build.
#define FUZZ_CHECK(condition)                                                             \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace eventhub {

// Protobuf logs each string that is not UTF-8, and here there are millions.
inline const bool kQuiet = (google::protobuf::SetLogHandler(nullptr), true);

inline absl::string_view Input(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace eventhub
