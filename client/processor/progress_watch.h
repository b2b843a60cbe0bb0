// Tells when a pipeline has events and settles none.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "client/processor/in_flight_events.h"
#include "client/processor/lines.h"
#include "client/processor/state_board.h"
#include "client/processor/strand.h"
#include "storage/base/clock.h"

namespace eventhub::processor::internal {

// Looks twice in the time that is too long, while anything is in flight. On the strand only.
class ProgressWatch {
 public:
  // All must outlive it. `stall_after`: ProcessorOptions::stall_after.
  ProgressWatch(const Lines& lines, const InFlightEvents& events, StateBoard& board, Strand& strand,
                const Clock& clock, absl::Duration stall_after);

  // The pipelines are complete.
  void Begin() { progress_.resize(lines_.size()); }
  // A pipeline took its only event.
  void OnFirst(size_t pipeline) { progress_[pipeline].made = true; }
  // An event of the pipeline was settled.
  void OnSettled(size_t pipeline);
  // Events are in flight.
  void Watch();

 private:
  struct Progress {
    bool made = false;    // Since the last check.
    int idle_checks = 0;  // How many in a row found none.
  };

  void Check(Line& line);

  const Lines& lines_;
  const InFlightEvents& events_;
  StateBoard& board_;
  Strand& strand_;
  const Clock& clock_;
  const absl::Duration stall_after_;
  std::vector<Progress> progress_;
  bool watching_ = false;
};

}  // namespace eventhub::processor::internal
