// Runs the handlers of a subscriber, and maps what they return to outcomes of events.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "client/src/subscribe/work_queue.h"
#include "eventhub/event_batch.h"
#include "eventhub/subscriber.h"
#include "storage/base/clock.h"

namespace eventhub::client {

// How many events a thread takes at once for a handler that handles single events: few if handling
// is slow, so that other threads get the rest, and many if it is fast. For one thread.
class Pace {
 public:
  size_t events() const { return events_; }
  // Handling a chunk, or only part of it, took this long.
  void Learn(absl::Duration took, bool whole);

 private:
  size_t events_ = 1;
};

// The outcomes of the events of a chunk.
struct Handled {
  // Consecutive events, by their index in the delivery, with the same outcome.
  struct Run {
    size_t first;
    size_t count;
    Outcome outcome;
  };
  std::vector<Run> runs{};
  // The first event that was not handled, and its position; the end of the chunk if all were.
  size_t next = 0;
  EventBatch::Iterator at;
};

// The maximum size of the next chunk, in events.
size_t ChunkSize(const SubscriberOptions& options, const Pace& pace);

// Calls the handler of `options` for the events of a chunk. With `stop_at_retry`, stops at a retry:
// the events after it are delivered again.
Handled Handle(const SubscriberOptions& options, const WorkQueue::Chunk& chunk, bool stop_at_retry,
               const Clock& clock, Pace& pace);

// Calls the asynchronous handler of `options`; what it throws is ignored, since the settler
// retries.
void HandleAsync(const SubscriberOptions& options, const ReceivedEvent& event, Settler settler);

}  // namespace eventhub::client
