// Types of the steps Job and Continue: long work in steps, which survives crashes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor {

namespace internal {
class JobRunner;
}  // namespace internal

// A job at the beginning of a step.
struct Job {
  // The event that started it. Its partition key is the name of the job.
  std::shared_ptr<const v1::Event> start{};
  // As the previous step returned it; empty in the first step.
  std::string continuation{};
  // The number of this step, from 0.
  uint64_t step = 0;
  // The sum of JobProgress::items of all previous steps.
  uint64_t items = 0;

  // For the engine.
  internal::JobRunner* runner = nullptr;
  uint64_t number = 0;
};

// The result of a step.
struct JobProgress {
  // The result of the last step.
  static JobProgress Finished(uint64_t items = 0) { return {.items = items, .finished = true}; }

  // Where the next step continues; opaque to the engine, at most 64 KiB.
  std::string continuation{};
  // The number of items handled in this step. The state topic shows the sum.
  uint64_t items = 0;
  bool finished = false;
};

struct JobOptions {
  // The topic that stores the state of jobs, as the latest event of the partition key
  // "<pipeline>/<partition>/<name>": see CorrelateOptions::state. Required.
  std::string state{};

  // The types of events that cancel a job. Their partition key is the name of the job.
  std::vector<std::string> cancel{};

  // The delay between two steps: 0 to 1 day.
  absl::Duration pause = absl::ZeroDuration();

  // How long a job is remembered after its end: more than 0, at most 365 days; infinite: for ever.
  // Until then, a repetition of the event that started it has no effect, and the state topic shows
  // it.
  absl::Duration remember = absl::Hours(24);
};

}  // namespace eventhub::processor
