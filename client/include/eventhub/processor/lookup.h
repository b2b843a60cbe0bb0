// Options of the step that looks things up.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "eventhub/processor/call.h"

namespace eventhub::processor {

struct LookupOptions {
  CallOptions call{};
  // How many answers are kept, at least 1; beyond that, the oldest are dropped. Keys that are being
  // asked for do not count.
  size_t max_entries = 10'000;
  // How long an answer is good; 0: only for the units that already wait for it.
  absl::Duration ttl = absl::Minutes(1);
  // How long an error is that no retry can mend, e.g. NOT_FOUND: units with the key fail at once.
  absl::Duration error_ttl = absl::Seconds(1);
};

}  // namespace eventhub::processor
