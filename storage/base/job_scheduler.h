// Background work of a program: named jobs on a few threads. Each run has a time limit, and is
// cancelled when the program ends.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// A request to end work early, because it is no longer wanted or has taken too long. Thread-safe.
class Cancellation {
 public:
  // Work without a time limit.
  Cancellation() = default;
  // `deadline` is monotonic. The clock outlives this object.
  Cancellation(const Clock& clock, absl::Duration deadline) : clock_(&clock), deadline_(deadline) {}
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel() { cancelled_.store(true, std::memory_order_release); }
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire) || overdue(); }
  // Whether the time limit has passed.
  bool overdue() const { return clock_ != nullptr && clock_->Monotonic() >= deadline_; }

 private:
  std::atomic<bool> cancelled_{false};
  const Clock* const clock_ = nullptr;
  const absl::Duration deadline_ = absl::InfiniteDuration();
};

// One kind of background work.
struct Job {
  // Used in error reports; unique within its scheduler.
  std::string name;
  // Jobs of one lane run one after another, on the lane's thread; lanes run in parallel. A job that
  // must not be delayed belongs in a lane whose jobs never block.
  std::string lane;
  // A run that takes longer is cancelled and reported.
  absl::Duration bound = absl::InfiniteDuration();
  // Checks its cancellation often enough to end within a moment, and then returns CANCELLED.
  std::function<absl::Status(Cancellation&)> run;
};

// Thread-safe. A lane's thread starts with its first job, and lives until Stop().
class JobScheduler {
 public:
  // `on_error` is called with the status of each run that failed or exceeded its bound, from any
  // lane's thread.
  JobScheduler(const Clock& clock, absl::AnyInvocable<void(const absl::Status&)> on_error);
  ~JobScheduler() { Stop(); }

  JobScheduler(const JobScheduler&) = delete;
  JobScheduler& operator=(const JobScheduler&) = delete;

  // Runs the job now, and again whenever `interval` has passed since the start of its last run.
  void Every(absl::Duration interval, Job job);

  // Runs the job once, after the jobs waiting in its lane. Does nothing if a job of the same name
  // is waiting.
  void Once(Job job);

  // Makes a job that was passed to Every() due now.
  void RunSoon(absl::string_view name);

  // Cancels running jobs, drops waiting ones, and returns when no job is running. Jobs submitted
  // afterwards are dropped.
  void Stop();

 private:
  struct Periodic {
    Job job;
    absl::Duration interval;
    absl::Duration due;  // Monotonic.
  };
  struct Lane {
    CondVar changed;
    std::vector<std::unique_ptr<Periodic>> periodic;
    std::deque<Job> once;
    std::shared_ptr<Cancellation> running;  // Null while no job runs.
    std::thread thread;
  };

  Lane& LaneOf(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(Lane& lane);
  // Waits for the lane's next job and marks it as running; returns nullopt once stopped.
  std::optional<Job> Next(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Job> TakeDue(Lane& lane, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  absl::AnyInvocable<void(const absl::Status&)> on_error_;
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Lane> lanes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
