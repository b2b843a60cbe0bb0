// The delivery of an event: its position, time and attempt.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace eventhub::processor {

// The delivery of an event; see ReceivedEvent. A step may ask for it like for the event itself:
//
//     .Filter([](const Arrival& arrival) { return !arrival.replayed; })
struct Arrival {
  uint32_t partition = 0;
  int64_t offset = 0;
  // When the hub appended the event, by the hub's clock.
  absl::Time append_time = absl::InfinitePast();
  uint32_t delivery_attempt = 1;
  bool redelivered = false;
  bool replayed = false;
  // The event is not delivered by the subscription: it is read back for a view that lacks it, see
  // View. Events that the pipeline publishes for it are dropped; calls are repeated.
  bool restored = false;
};

}  // namespace eventhub::processor
