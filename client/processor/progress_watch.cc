#include "client/processor/progress_watch.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub::processor::internal {
namespace {

using Kind = PipelineState::Kind;

// What is broken when nothing is settled anymore.
constexpr char kSettlement[] = "settlement";

}  // namespace

ProgressWatch::ProgressWatch(const Lines& lines, const InFlightEvents& events, StateBoard& board,
                             Strand& strand, const Clock& clock, absl::Duration stall_after)
    : lines_(lines),
      events_(events),
      board_(board),
      strand_(strand),
      clock_(clock),
      stall_after_(stall_after) {}

void ProgressWatch::OnSettled(size_t pipeline) {
  Progress& progress = progress_[pipeline];
  progress.made = true;
  if (progress.idle_checks >= 2) board_.Set(pipeline, Kind::kRunning, kSettlement);
  progress.idle_checks = 0;
}

void ProgressWatch::Watch() {
  if (watching_ || events_.empty() || stall_after_ == absl::InfiniteDuration()) return;
  watching_ = true;
  strand_.At(clock_.Monotonic() + stall_after_ / 2, [this] {
    watching_ = false;
    for (const std::unique_ptr<Line>& line : lines_) Check(*line);
    Watch();
  });
}

void ProgressWatch::Check(Line& line) {
  Progress& progress = progress_[line.index];
  const uint64_t in_flight = line.runtime.counters().in_flight.count();
  if (std::exchange(progress.made, false) || in_flight == 0) {
    progress.idle_checks = 0;
    return;
  }
  if (++progress.idle_checks < 2) return;
  const Trigger* oldest = events_.oldest();
  while (oldest != nullptr && oldest->tasks[line.index].pipeline == nullptr)
    oldest = oldest->among_all.next;
  board_.Set(line.index, Kind::kBroken, kSettlement,
             absl::StrCat("no event was settled for ", absl::FormatDuration(stall_after_),
                          " while ", in_flight, " are in flight, the oldest with the id ",
                          oldest == nullptr ? "" : oldest->event.id()));
}

}  // namespace eventhub::processor::internal
