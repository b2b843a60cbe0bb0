// Runs the caller's handlers, and turns what they say into outcomes of events.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "client/src/subscribe/work_queue.h"
#include "eventhub/event_batch.h"
#include "eventhub/subscriber.h"
#include "storage/base/clock.h"

namespace eventhub::client {

// How many events a thread takes at once for a handler per event: few of those that take long, so
// that other threads have the rest, and many of those that do not. For one thread.
class Pace {
 public:
  size_t events() const { return events_; }
  // The handlers of a whole chunk, or of a part, took so long together.
  void Learn(absl::Duration took, bool whole);

 private:
  size_t events_ = 1;
};

// What became of the events of a chunk.
struct Handled {
  // Consecutive events, by their index in the delivery, with the same outcome.
  struct Run {
    size_t first;
    size_t count;
    Outcome outcome;
  };
  std::vector<Run> runs{};
  // The first event that was not handled, and where it is; the end of the chunk if all were.
  size_t next = 0;
  EventBatch::Iterator at;
};

// How many events a chunk is to have at most.
size_t ChunkSize(const SubscriberOptions& options, const Pace& pace);

// Calls the handler of `options`, as often as it takes. With `stop_at_retry`, not for what follows
// a retry: it will come again.
Handled Handle(const SubscriberOptions& options, const WorkQueue::Chunk& chunk, bool stop_at_retry,
               const Clock& clock, Pace& pace);

}  // namespace eventhub::client
