// What a build with sanitizers changes for tests: each step takes several times as long, and memory
// is held back.
#pragma once

#include "absl/base/config.h"

namespace eventhub {

#if defined(ABSL_HAVE_ADDRESS_SANITIZER)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

#if defined(ABSL_HAVE_THREAD_SANITIZER)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

// Tests that go through many like states, one at a time, look at every kStride-th only where
// sanitizers are on; the build without looks at all of them.
inline constexpr int kStride = kAddressSanitizer || kThreadSanitizer ? 5 : 1;

}  // namespace eventhub
