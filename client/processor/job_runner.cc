#include "eventhub/processor/internal/job_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/processor/job_state.h"
#include "client/src/base/proto_time.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor::internal {
namespace {

using JobPhase = JobState::Phase;

constexpr size_t kMaxContinuation = 64 * 1024;

// The type of jobs that wait for their next step.
constexpr size_t kJobCacheBytes = 16 * 1024 * 1024;

const v1::Event& EventOfJob(const JobItem& item) { return item.unit().task().trigger->event; }

const char* JobTypeOf(const JobState& state) {
  switch (state.phase) {
    case JobPhase::kFinished:
      return "eventhub.job.finished";
    case JobPhase::kCancelled:
      return "eventhub.job.cancelled";
    case JobPhase::kRunning:
      break;
  }
  return "eventhub.job.running";
}

}  // namespace

void JobItem::Take(std::string_view state) { runner_.Take(*this, state); }

JobRunner::JobRunner(Runtime& runtime, std::string step, const JobOptions& options)
    : runtime_(runtime),
      step_(std::move(step)),
      options_(options),
      gate_(runtime, step_, options.state, kJobCacheBytes) {}

void JobRunner::Take(JobItem& item, std::string_view bytes) {
  std::optional<JobState> state;
  if (!bytes.empty()) {
    absl::StatusOr<JobState> decoded = DecodeJobState(bytes);
    if (!decoded.ok()) {
      runtime_.Fail(item.unit(), step_, decoded.status());
      return;
    }
    state = *std::move(decoded);
  }
  const std::string& type = EventOfJob(item).type();
  if (type == kTimerType) {
    TakeTimer(item, state);
  } else if (std::find(options_.cancel.begin(), options_.cancel.end(), type) !=
             options_.cancel.end()) {
    Cancel(item, state);
  } else {
    Begin(item, state);
  }
}

void JobRunner::TakeTimer(JobItem& item, const std::optional<JobState>& state) {
  uint64_t number = 0;
  if (!state || !absl::SimpleAtoi(EventOfJob(item).data(), &number) || number != state->number) {
    Drop(item);  // A repetition, or of a job that was cancelled or forgotten.
  } else if (state->phase == JobPhase::kRunning) {
    Run(item, *state);
  } else {
    v1::Event forgotten;
    forgotten.set_type("eventhub.job.forgotten");
    if (gate_.Put(item.unit(), std::move(forgotten), "")) Drop(item);
  }
}

void JobRunner::Cancel(JobItem& item, const std::optional<JobState>& state) {
  if (!state || state->phase != JobPhase::kRunning) {
    runtime_.counters().late.Add(1);
    Drop(item);
    return;
  }
  JobState next = *state;
  next.phase = JobPhase::kCancelled;
  ++next.number;  // Invalidates the outstanding timer.
  if (Put(item.unit(), next)) Drop(item);
}

void JobRunner::Begin(JobItem& item, const std::optional<JobState>& state) {
  const v1::Event& event = EventOfJob(item);
  if (state && state->start->id() == event.id() && state->start->source() == event.source()) {
    runtime_.counters().repeats.Add(1);
    Drop(item);
    return;
  }
  if (state && state->phase == JobPhase::kRunning) {
    runtime_.Fail(item.unit(), step_,
                  absl::AlreadyExistsError(absl::StrCat("the job ", event.partition_key(),
                                                        " is running, begun by the event ",
                                                        state->start->id())));
    return;
  }
  JobState first{.number = state ? state->number : 0};
  first.start = std::make_shared<v1::Event>(event);
  Run(item, first);
}

void JobRunner::Run(JobItem& item, const JobState& state) {
  gate_.Hold(item.unit());
  item.Pass({.start = state.start,
             .continuation = state.continuation,
             .step = state.step,
             .items = state.items,
             .runner = this,
             .number = state.number});
}

absl::Status JobRunner::Check(const JobProgress& progress) const {
  if (progress.continuation.size() <= kMaxContinuation) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the continuation has ",
                                                 progress.continuation.size(), " bytes, more than ",
                                                 kMaxContinuation));
}

bool JobRunner::Continue(const AnyUnit& unit, const Job& job, JobProgress progress) {
  JobState next{.number = job.number + 1,
                .step = job.step + 1,
                .items = job.items + progress.items,
                .start = job.start};
  if (progress.finished) {
    next.phase = JobPhase::kFinished;
    runtime_.counters().completed.Add(1);
  } else {
    next.continuation = std::move(progress.continuation);
  }
  return Put(unit, next);
}

bool JobRunner::Put(const AnyUnit& unit, const JobState& state) {
  v1::Event event;
  const auto tell = [&](const char* name, uint64_t number) {
    (*event.mutable_attributes())[name].set_string(absl::StrCat(number));
  };
  tell("jobsteps", state.step);
  tell("jobitems", state.items);
  event.set_type(JobTypeOf(state));
  if (!gate_.Put(unit, std::move(event), EncodeJobState(state))) return false;
  const bool running = state.phase == JobPhase::kRunning;
  const absl::Duration delay = running ? options_.pause : options_.remember;
  if (delay == absl::InfiniteDuration()) return true;
  v1::Event timer;
  timer.set_data(absl::StrCat(state.number));
  if (delay > absl::ZeroDuration()) client::ToProto(delay, *timer.mutable_deliver_after());
  return gate_.SetTimer(unit, std::move(timer));
}

void JobRunner::Drop(const JobItem& item) { runtime_.Finish(item.unit()); }

}  // namespace eventhub::processor::internal
