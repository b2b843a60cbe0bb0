// The step Job: runs jobs step by step.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "eventhub/processor/internal/state_gate.h"
#include "eventhub/processor/job.h"

namespace eventhub::processor::internal {

class JobRunner;
struct JobState;

// A unit at a Job step: it starts a job, cancels one, or runs its next step.
class JobItem : public StateItem {
 public:
  explicit JobItem(JobRunner& runner) : runner_(runner) {}

  void Take(std::string_view state) final;

  virtual void Pass(Job job) = 0;

 private:
  JobRunner& runner_;
};

// The jobs of one pipeline. A timer starts the next step of a job: an event in the topic of the
// subscription, published in the transaction of the previous step. On the strand only.
class JobRunner {
 public:
  // `runtime` and `options` must outlive it.
  JobRunner(Runtime& runtime, std::string step, const JobOptions& options);

  void Add(std::unique_ptr<JobItem> item) { gate_.Add(std::move(item)); }

  // Records that the job of the unit has finished its step. With an error, the unit is about to
  // fail.
  absl::Status Check(const JobProgress& progress) const;
  // Returns false if the unit has failed.
  bool Continue(const AnyUnit& unit, const Job& job, JobProgress progress);

 private:
  friend class JobItem;

  void Take(JobItem& item, std::string_view bytes);
  void TakeTimer(JobItem& item, const std::optional<JobState>& state);
  void Cancel(JobItem& item, const std::optional<JobState>& state);
  void Begin(JobItem& item, const std::optional<JobState>& state);
  void Run(JobItem& item, const JobState& state);

  // Puts the state, and sets its timer. Returns false if the unit has failed.
  bool Put(const AnyUnit& unit, const JobState& state);
  void Drop(const JobItem& item);

  Runtime& runtime_;
  const std::string step_;
  const JobOptions& options_;
  StateGate gate_;
};

}  // namespace eventhub::processor::internal
