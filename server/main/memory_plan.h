// Divides the hub's memory among its users.
#pragma once

#include <cstddef>

#include "server/rpc/server.h"

namespace eventhub {

// Shares of a limit, in bytes. About a tenth, or with a lake a twenty-fifth, is left over for
// requests being received, the program and its threads, allocator overhead, and state that is small
// by its own bounds.
struct MemoryPlan {
  size_t limit = 0;
  size_t in_flight = 0;  // Requests waiting to be committed.
  size_t in_flight_per_connection = 0;
  size_t copies = 0;        // What is made of these requests: see CopyMemory.
  size_t frames = 0;        // Data sent to readers and consumers that they have not accepted yet.
  size_t tail_cache = 0;    // The newest events.
  size_t write_buffer = 0;  // The store's: up to four of this size, and small ones.
  size_t block_cache = 0;   // Blocks of the store's files.
  size_t partitions = 0;    // Partitions, including their state in subscriptions.
  size_t pending = 0;       // Delivered, unsettled events of subscriptions.
  size_t settlements = 0;   // Requests of consumers, until they are answered.
  size_t readers = 0;       // Readers, without their frames.
  size_t producers = 0;     // Recently active idempotent producers.
  size_t filters = 0;       // Filters of subscriptions and routes.
  size_t links = 0;         // What links have received and not yet committed.
  size_t streams = 0;       // Streams, even idle ones.
  size_t archive = 0;       // Objects being written to the lake; 0 without a lake.
  size_t history = 0;       // What is read from the lake; 0 without a lake.
  size_t merge = 0;         // Objects of the lake that are merged; likewise.

  static MemoryPlan For(size_t limit, bool has_lake = false);

  size_t Sum() const;
  void ApplyTo(ServerOptions& server) const;
};

}  // namespace eventhub
