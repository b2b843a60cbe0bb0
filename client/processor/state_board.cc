#include "client/processor/state_board.h"

namespace eventhub::processor::internal {

StateBoard::StateBoard(std::vector<std::string> pipelines, const Clock& clock, Hook hook)
    : pipelines_(std::move(pipelines)),
      clock_(clock),
      hook_(std::move(hook)),
      matters_(pipelines_.size()),
      states_(pipelines_.size()) {}

void StateBoard::Set(size_t pipeline, Kind kind, const std::string& what,
                     const std::string& because) {
  auto& matters = matters_[pipeline];
  const auto known = matters.find(what);
  if (kind == Kind::kRunning) {
    if (known == matters.end()) return;
    matters.erase(known);
  } else if (known != matters.end() && known->second.kind == kind) {
    known->second.because = because;
  } else {
    matters.insert_or_assign(
        what, PipelineState{.kind = kind, .what = what, .because = because, .since = clock_.Now()});
  }
  PipelineState worst;
  for (const auto& [name, state] : matters) {
    const bool worse =
        state.kind != worst.kind ? state.kind > worst.kind : state.since < worst.since;
    if (worse) worst = state;
  }
  {
    MutexLock lock(mutex_);
    if (states_[pipeline] == worst) return;
    states_[pipeline] = worst;
  }
  if (!hook_) return;
  try {
    hook_(pipelines_[pipeline], worst);
  } catch (...) {  // NOLINT(bugprone-empty-catch): hooks may not break the processor.
  }
}

void StateBoard::SetAll(Kind kind, const std::string& what, const std::string& because) {
  for (size_t i = 0; i < pipelines_.size(); ++i) Set(i, kind, what, because);
}

std::vector<PipelineState> StateBoard::Read() const {
  MutexLock lock(mutex_);
  return states_;
}

}  // namespace eventhub::processor::internal
