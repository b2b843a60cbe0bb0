// What a pipeline tells of itself while it runs: its state and its counters.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace eventhub::processor {

// Whether a pipeline gets on with its work.
struct PipelineState {
  enum class Kind {
    kRunning,  // It does, or has nothing to do.
    kWaiting,  // It will by itself, once what it waits for is there: a service behind an open
               // circuit, the hub.
    kBroken,   // It does not, and somebody should look: nothing was settled for too long, a topic
               // is missing, the subscription ended.
  };

  Kind kind = Kind::kRunning;
  // What it waits for or what is broken, e.g. "step charge" or "commit"; empty if running.
  std::string what{};
  std::string because{};
  absl::Time since = absl::InfinitePast();

  friend bool operator==(const PipelineState&, const PipelineState&) = default;
};

// E.g. "waiting for step charge since 2026-11-29T20:00:00Z because the circuit is open: …".
std::string ToString(const PipelineState& state);

// Counters of a pipeline since it started. Times are sums unless noted; divide by the count of what
// they are about to get a mean.
struct PipelineCounters {
  uint64_t events = 0;       // Events that the pipeline took.
  uint64_t passed_over = 0;  // Events that it did not want, or that it emitted itself.
  uint64_t units = 0;        // Units of work: one for each event, and each part of a split.
  uint64_t compacted = 0;    // Units that a later one with the same key replaced.
  uint64_t repeats = 0;      // Units that SkipRepeats and SkipOlder dropped, and events that a
                             // Correlate step had collected before.
  uint64_t emitted = 0;      // Events published.
  uint64_t faults = 0;       // Events that it gave up on.
  uint64_t lost = 0;         // Events whose lease ended first; they are delivered again.

  uint64_t completed = 0;  // Correlations whose condition held, and jobs that took their last step.
  uint64_t expired = 0;    // Correlations whose condition did not hold in time.
  uint64_t late = 0;       // Events that came after the end of their correlation or job.

  uint64_t calls = 0;          // Attempts at calls, at writes of views and at reads of state; a
                               // batch is one.
  uint64_t retries = 0;        // Attempts after the first.
  uint64_t timeouts = 0;       // Attempts without a reply in time.
  uint64_t circuits = 0;       // How often a circuit opened.
  uint64_t batches = 0;        // Batches called, and writes of views.
  uint64_t batched_units = 0;  // Units in them.
  uint64_t batch_room = 0;     // Units that they had room for: batch utilisation is
                               // batched_units / batch_room.

  uint64_t lookups = 0;     // Units that looked something up.
  uint64_t cache_hits = 0;  // Lookups that made no call of their own.
  uint64_t restored = 0;    // Events that were read back for a view.
  uint64_t rows = 0;        // Rows written to views.
  uint64_t rows_stale = 0;  // Rows that were not written, because the view has newer ones.

  absl::Duration channel_wait;  // From the event's append to the pipeline's taking it.
  absl::Duration map_time;      // In steps other than calls.
  absl::Duration io_wait;       // Of units, from reaching a call or view to its first attempt.
  absl::Duration io_time;       // In attempts at calls and at writes of views.

  // Current values, not sums.
  uint64_t in_flight = 0;       // Events taken and not settled.
  uint64_t waiting = 0;         // Units that wait for a call, a batch, a group, a view or a rate.
  absl::Duration iterator_age;  // The channel wait of the event taken last.
};

}  // namespace eventhub::processor
