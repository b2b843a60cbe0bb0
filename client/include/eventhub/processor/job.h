// Jobs: long work in steps, which goes on where it was, whatever crashes.
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

// Where a job is, when it takes a step.
struct Job {
  // The event that began it. Its partition key is the name of the job.
  std::shared_ptr<const v1::Event> start{};
  // As the step before returned it; empty in the first.
  std::string continuation{};
  // The number of this step, from 0.
  uint64_t step = 0;
  // The items that all steps before have handled, as they said.
  uint64_t items = 0;

  // For the engine.
  internal::JobRunner* runner = nullptr;
  uint64_t number = 0;
};

// What a step has done.
struct JobProgress {
  // It was the last one.
  static JobProgress Finished(uint64_t items = 0) { return {.items = items, .finished = true}; }

  // Where the next step goes on; opaque to the engine, at most 64 KiB.
  std::string continuation{};
  // Handled in this step; added up for people who look at the state topic.
  uint64_t items = 0;
  bool finished = false;
};

struct JobOptions {
  // The topic where jobs are kept, as the latest event of a key that is "<pipeline>/<partition>/
  // <name>": see CorrelateOptions::state. Required.
  std::string state{};

  // The types of events that cancel the job which is their partition key.
  std::vector<std::string> cancel{};

  // From one step to the next: 0 to 1 day.
  absl::Duration pause = absl::ZeroDuration();

  // How long the end of a job is remembered, so that its first event, when it comes again, does not
  // begin it again, and people can look at it: more than 0, at most 365 days; infinite: for ever.
  absl::Duration remember = absl::Hours(24);
};

}  // namespace eventhub::processor
