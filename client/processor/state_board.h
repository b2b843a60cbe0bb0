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

// Keeps what each pipeline waits for and what is broken; its state is the worst of them. Written on
// the strand, read from any thread.
class StateBoard {
 public:
  using Kind = PipelineState::Kind;
  using Hook = std::function<void(const std::string& pipeline, const PipelineState& state)>;

  // `hook`, which may be null, is told of changes.
  StateBoard(std::vector<std::string> pipelines, const Clock& clock, Hook hook);

  // `what` is as `kind` says; kRunning: nothing is the matter with it anymore.
  void Set(size_t pipeline, Kind kind, const std::string& what, const std::string& because = {});
  void SetAll(Kind kind, const std::string& what, const std::string& because = {});

  std::vector<PipelineState> Read() const;

 private:
  const std::vector<std::string> pipelines_;
  const Clock& clock_;
  const Hook hook_;
  // On the strand only: for each pipeline, what is the matter.
  std::vector<std::map<std::string, PipelineState>> matters_;

  mutable Mutex mutex_;
  std::vector<PipelineState> states_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::processor::internal
