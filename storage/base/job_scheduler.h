// Background work of a program: named jobs on a few threads, each run with a bound, and cancelled
// when the program ends.
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

// Asks work to end early. Thread-safe.
class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel() { cancelled_.store(true, std::memory_order_release); }
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> cancelled_{false};
};

// One kind of background work.
struct Job {
  // In reports; unique within its scheduler.
  std::string name;
  // Jobs of one lane run one after another, on the lane's thread; lanes run side by side. So what
  // must not wait has a lane without jobs that block.
  std::string lane;
  // A run that takes longer is cancelled, and reported.
  absl::Duration bound = absl::InfiniteDuration();
  // Looks at its cancellation often enough to end within a moment, and says CANCELLED then.
  std::function<absl::Status(Cancellation&)> run;
};

// Thread-safe. A lane's thread starts with its first job, and lives until Stop().
class JobScheduler {
 public:
  // `on_error` is told of each run that failed, or was too long. From any lane.
  JobScheduler(const Clock& clock, absl::AnyInvocable<void(const absl::Status&)> on_error);
  ~JobScheduler() { Stop(); }

  JobScheduler(const JobScheduler&) = delete;
  JobScheduler& operator=(const JobScheduler&) = delete;

  // Runs the job now, and again each time `interval` has passed since a run began.
  void Every(absl::Duration interval, Job job);

  // Runs the job once, after those of its lane that wait. Dropped if one of its name waits.
  void Once(Job job);

  // Makes the next run of a job that was given to Every due now.
  void RunSoon(absl::string_view name);

  // Cancels what runs, drops what waits, and returns when nothing runs any more. Jobs that come
  // later are dropped.
  void Stop();

 private:
  struct Periodic {
    Job job;
    absl::Duration interval;
    absl::Duration due;  // Monotonic.
  };
  struct Running {
    absl::Duration deadline;  // Monotonic.
    std::shared_ptr<Cancellation> cancellation;
    bool overdue = false;
  };
  struct Lane {
    CondVar changed;
    std::vector<std::unique_ptr<Periodic>> periodic;
    std::deque<Job> once;
    std::optional<Running> running;
    std::thread thread;
  };

  Lane& LaneOf(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(Lane& lane);
  // Waits for the next job of a lane, and marks it as running; nullopt: stopped.
  std::optional<Job> Next(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Job> TakeDue(Lane& lane, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lanes that are idle watch over those that are not.
  void CancelOverdue(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  absl::AnyInvocable<void(const absl::Status&)> on_error_;
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Lane> lanes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
