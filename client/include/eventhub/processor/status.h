// The state and the counters of a pipeline.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace eventhub::processor {

// Whether a pipeline makes progress.
struct PipelineState {
  enum class Kind {
    kRunning,  // It makes progress, or has nothing to do.
    kWaiting,  // It waits for something that recovers by itself, e.g. the hub, or a service behind
               // an open circuit.
    kBroken,   // It needs an operator: nothing was settled for too long, a topic is missing, or the
               // subscription ended.
  };

  Kind kind = Kind::kRunning;
  // What it waits for, or what is broken, e.g. "step charge" or "commit"; empty if running.
  std::string what{};
  std::string because{};
  absl::Time since = absl::InfinitePast();

  friend bool operator==(const PipelineState&, const PipelineState&) = default;
};

// E.g. "waiting for step charge since 2026-11-29T20:00:00Z because the circuit is open: …".
std::string ToString(const PipelineState& state);

// Counters of a pipeline since it started. Times are sums unless noted; divide by the matching
// count to get a mean.
struct PipelineCounters {
  uint64_t events = 0;       // Events that the pipeline selected.
  uint64_t passed_over = 0;  // Events that it did not select, or that it emitted itself.
  uint64_t units = 0;        // Units of work: one for each event, and each part of a split.
  uint64_t compacted = 0;    // Units that a later one with the same key replaced.
  uint64_t repeats = 0;      // Units that SkipRepeats and SkipOlder dropped, and events that a
                             // Correlate step had collected before.
  uint64_t emitted = 0;      // Events published.
  uint64_t faults = 0;       // Events that it gave up on.
  uint64_t lost = 0;         // Events whose lease ended before they were settled; they are
                             // redelivered.

  uint64_t completed = 0;  // Correlations whose condition held, and jobs that finished.
  uint64_t expired = 0;    // Correlations whose condition did not hold in time.
  uint64_t late = 0;       // Events that arrived after the end of their correlation or job.

  uint64_t calls = 0;          // Attempts at calls, at writes of views and at reads of state; a
                               // batch is one.
  uint64_t retries = 0;        // Attempts after the first.
  uint64_t timeouts = 0;       // Attempts without a reply in time.
  uint64_t circuits = 0;       // How often a circuit opened.
  uint64_t batches = 0;        // Batches called, and writes of views.
  uint64_t batched_units = 0;  // Units in them.
  uint64_t batch_room = 0;     // The capacity of these batches: batch utilisation is
                               // batched_units / batch_room.

  uint64_t lookups = 0;     // Units that passed a Lookup.
  uint64_t cache_hits = 0;  // Lookups that needed no call of their own.
  uint64_t restored = 0;    // Events that were read back for a view.
  uint64_t rows = 0;        // Rows written to views.
  uint64_t rows_stale = 0;  // Rows that were not written, because the view has newer ones.

  absl::Duration channel_wait;  // Of events, from their append until the pipeline takes them.
  absl::Duration map_time;      // In steps other than calls.
  absl::Duration io_wait;       // Of units, from reaching a call or view to its first attempt.
  absl::Duration io_time;       // In attempts of calls and of writes to views.

  // Current values, not sums.
  uint64_t in_flight = 0;       // Events taken and not settled.
  uint64_t waiting = 0;         // Units that wait for a call, a batch, a group, a view or a rate.
  absl::Duration iterator_age;  // The channel wait of the event taken last.
};

}  // namespace eventhub::processor
