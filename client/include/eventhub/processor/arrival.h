// Where an event came from and when.
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
  // The event is not delivered now: it is read back for a view that does not have it, see View.
  // What is published for it is dropped; calls are made again.
  bool restored = false;
};

}  // namespace eventhub::processor
