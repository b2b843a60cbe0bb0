// Events on their way into an engine.
#pragma once

#include <cstdint>
#include <string_view>

#include "eventhub/processor/arrival.h"
#include "eventhub/processor/internal/trigger.h"
#include "eventhub/settler.h"

namespace eventhub::processor::internal {

// An event as it was delivered. `bytes` are valid until it is settled.
struct Delivered {
  std::string_view bytes;
  Arrival arrival;
  uint64_t lease_epoch = 0;
  uint64_t session = 0;
  client::Settler settler{};
};

// An event in flight and its settler, which tests do without.
struct InFlight : Trigger {
  client::Settler settler;
};

}  // namespace eventhub::processor::internal
