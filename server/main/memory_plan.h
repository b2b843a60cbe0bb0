// Who may take how much of the hub's memory.
#pragma once

#include <cstddef>

#include "server/rpc/server.h"

namespace eventhub {

// Shares of a limit, in bytes. About an eighth is left over: for requests being received, the
// program itself, its threads, what the allocator cannot use, and state that is small by its own
// bounds.
struct MemoryPlan {
  size_t limit = 0;
  size_t in_flight = 0;  // Requests that wait to be committed.
  size_t in_flight_per_connection = 0;
  size_t frames = 0;        // What readers and consumers were sent and have not taken.
  size_t tail_cache = 0;    // The newest events.
  size_t write_buffer = 0;  // One of the store's, of which it holds up to four, and small ones.
  size_t block_cache = 0;   // Blocks of the store's files.
  size_t partitions = 0;    // Partitions, those that subscriptions keep of them too.
  size_t pending = 0;       // What subscriptions have delivered and not settled.
  size_t readers = 0;       // Readers, but for their frames.
  size_t producers = 0;     // Idempotent producers that were active lately.
  size_t filters = 0;       // Filters of subscriptions and routes.
  size_t streams = 0;       // Streams, though nothing flows on them.

  static MemoryPlan For(size_t limit);

  size_t Sum() const;
  void ApplyTo(ServerOptions& server) const;
};

}  // namespace eventhub
