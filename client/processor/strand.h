// The strand of a processor: runs its work on one thread at a time, and its timers.
#pragma once

#include <functional>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Runs work one piece at a time, so that work needs no locks against other work. Work from one
// thread runs in the order in which it was submitted. Thread-safe unless noted.
//
// A thread that calls Run becomes the strand if no other thread is; that saves a thread switch per
// event. Otherwise work runs on the strand's own thread, which sleeps without a timeout if there is
// no timer.
class Strand {
 public:
  using Work = absl::AnyInvocable<void() &&>;

  // `on_idle` runs on the strand whenever no work is left, before the thread leaves it.
  Strand(const Clock& clock, std::function<void()> on_idle);
  ~Strand();

  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // Starts the strand's thread. Without it, work runs only in Run and RunDue.
  void Start();
  // Runs the work that was posted, and nothing more; timers are dropped. Must not be called on the
  // strand.
  void Stop();

  // Submits work to the thread that is the strand now, or to the strand's own thread.
  void Post(Work work);
  // If no other thread is the strand, runs `work` and all other waiting work on this thread;
  // otherwise posts it. Must not be called on the strand.
  template <typename F>
  void Run(F&& work) {
    if (!Enter()) {
      Post(std::forward<F>(work));
      return;
    }
    std::forward<F>(work)();
    Leave();
  }
  // Runs posted work and due timers, if no other thread is the strand.
  void RunDue() {
    Run([] {});
  }

  // Runs `work` at `when`, by the monotonic clock. On the strand only.
  void At(absl::Duration when, Work work) { timers_.emplace(when, std::move(work)); }
  // When the next timer is due; infinite if there is none.
  absl::Duration next_due() const;

 private:
  // Whether this thread is the strand now.
  bool Enter();
  // Runs all waiting work; then the thread is no longer the strand.
  void Leave();
  void RunTimers();
  void ThreadMain();

  const Clock& clock_;
  const std::function<void()> on_idle_;
  std::thread thread_;  // Used by Start and Stop only.

  // On the strand only.
  std::multimap<absl::Duration, Work> timers_;
  std::vector<Work> batch_;

  mutable Mutex mutex_;
  CondVar wake_;
  std::vector<Work> posted_ ABSL_GUARDED_BY(mutex_);
  bool entered_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration next_due_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  // When the sleeping thread wakes up; 0: it is awake.
  absl::Duration wakes_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::processor::internal
