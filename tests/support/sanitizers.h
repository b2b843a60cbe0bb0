// How tests adapt to sanitizers: each step takes several times as long, and freed memory is held
// back.
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

// Tests that iterate over many similar states check only every kStride-th state under sanitizers;
// other builds check all of them.
inline constexpr int kStride = kAddressSanitizer || kThreadSanitizer ? 5 : 1;

}  // namespace eventhub
