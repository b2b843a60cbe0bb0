// Invariants. A broken one means that this program is wrong: to go on could lose facts, so the
// process ends with a message. What the environment or a caller may do wrong is a Status instead.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace eventhub {

[[noreturn]] inline void CheckFailed(const char* file, int line, const char* condition,
                                     const char* message) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, message, condition);
  std::abort();
}

}  // namespace eventhub

// Also checked in release builds, so the condition must be cheap. `message` states the invariant.
#define EVENTHUB_CHECK(condition, message)                              \
  do {                                                                  \
    if (!(condition)) [[unlikely]] {                                    \
      ::eventhub::CheckFailed(__FILE__, __LINE__, #condition, message); \
    }                                                                   \
  } while (false)
