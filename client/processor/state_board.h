// The states of a processor's pipelines.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "eventhub/processor/status.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Tracks the problems of each pipeline: what it waits for, and what is broken. The state of a
// pipeline is its worst problem. Written on the strand, read on any thread.
class StateBoard {
 public:
  using Kind = PipelineState::Kind;
  using Hook = std::function<void(const std::string& pipeline, const PipelineState& state)>;

  // `hook`, which may be null, is called for changes.
  StateBoard(std::vector<std::string> pipelines, const Clock& clock, Hook hook);

  // Sets the state of `what`; kRunning: it is no longer a problem.
  void Set(size_t pipeline, Kind kind, const std::string& what, const std::string& because = {});
  void SetAll(Kind kind, const std::string& what, const std::string& because = {});

  std::vector<PipelineState> Read() const;

 private:
  const std::vector<std::string> pipelines_;
  const Clock& clock_;
  const Hook hook_;
  // On the strand only: the problems of each pipeline.
  std::vector<std::map<std::string, PipelineState>> matters_;

  mutable Mutex mutex_;
  std::vector<PipelineState> states_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::processor::internal
