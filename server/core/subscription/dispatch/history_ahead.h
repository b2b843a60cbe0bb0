// Events of replays that were read from the history, for the next frames.
#pragma once

#include <cstdint>

#include "server/core/subscription/dispatch/event_source.h"
#include "server/core/subscription/dispatch/history_reads.h"

namespace eventhub {

struct HistoryAhead {
  HistoryReads::Place place;  // Destroyed last.
  EventFetch fetch;
  FetchedEvents events;
  int64_t expires = 0;  // If nobody takes them. Microseconds of the monotonic clock.
  bool used = false;    // By the frame in progress.
};

}  // namespace eventhub
