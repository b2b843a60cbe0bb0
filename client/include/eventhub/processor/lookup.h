// Options of the step Lookup.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "eventhub/processor/call.h"

namespace eventhub::processor {

struct LookupOptions {
  CallOptions call{};
  // The maximum number of cached answers, at least 1; beyond that, the oldest are dropped. Calls in
  // progress do not count.
  size_t max_entries = 10'000;
  // How long an answer is cached; 0: it is only for the units that already wait for it.
  absl::Duration ttl = absl::Minutes(1);
  // How long a permanent error is cached, e.g. NOT_FOUND; units with the key fail at once
  // meanwhile.
  absl::Duration error_ttl = absl::Seconds(1);
};

}  // namespace eventhub::processor
