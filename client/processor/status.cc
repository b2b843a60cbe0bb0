#include "eventhub/processor/status.h"

#include "absl/strings/str_cat.h"
#include "eventhub/processor/internal/counters.h"

namespace eventhub::processor {

std::string ToString(const PipelineState& state) {
  if (state.kind == PipelineState::Kind::kRunning) return "running";
  return absl::StrCat(state.kind == PipelineState::Kind::kWaiting ? "waiting for " : "broken at ",
                      state.what, " since ",
                      absl::FormatTime(absl::RFC3339_sec, state.since, absl::UTCTimeZone()),
                      " because ", state.because);
}

namespace internal {

PipelineCounters Counters::Read() const {
  return {
      .events = events.count(),
      .passed_over = passed_over.count(),
      .units = units.count(),
      .compacted = compacted.count(),
      .repeats = repeats.count(),
      .emitted = emitted.count(),
      .faults = faults.count(),
      .lost = lost.count(),
      .completed = completed.count(),
      .expired = expired.count(),
      .late = late.count(),
      .calls = calls.count(),
      .retries = retries.count(),
      .timeouts = timeouts.count(),
      .circuits = circuits.count(),
      .batches = batches.count(),
      .batched_units = batched_units.count(),
      .batch_room = batch_room.count(),
      .lookups = lookups.count(),
      .cache_hits = cache_hits.count(),
      .restored = restored.count(),
      .rows = rows.count(),
      .rows_stale = rows_stale.count(),
      .channel_wait = channel_wait.duration(),
      .map_time = map_time.duration(),
      .io_wait = io_wait.duration(),
      .io_time = io_time.duration(),
      .in_flight = in_flight.count(),
      .waiting = waiting.count(),
      .iterator_age = iterator_age.duration(),
  };
}

}  // namespace internal
}  // namespace eventhub::processor
