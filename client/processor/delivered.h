// Events as they are passed to an engine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "eventhub/processor/arrival.h"
#include "eventhub/processor/internal/trigger.h"
#include "eventhub/settler.h"

namespace eventhub::processor::internal {

// A delivered event. `bytes` and `pipelines` are valid until it is settled.
struct Delivered {
  std::string_view bytes;
  Arrival arrival;
  uint64_t lease_epoch = 0;
  uint64_t session = 0;
  int64_t first_new_offset = 0;  // See client::EventBatch.
  client::Settler settler{};
  absl::Span<const std::string> pipelines{};  // To which it was redriven; empty: to all.
};

// An event in flight and its settler, which tests do not need.
struct InFlight : Trigger {
  client::Settler settler;
};

}  // namespace eventhub::processor::internal
