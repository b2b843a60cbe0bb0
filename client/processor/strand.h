// Where a processor runs: one thread at a time, and its timers.
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

// Runs work one piece at a time, so that work needs no locks among itself. Work of one thread runs
// in the order in which it was given. Thread-safe unless noted.
//
// A thread that brings work with Run becomes the strand while nobody else is; that saves the switch
// to another thread for each event. Otherwise work runs on the strand's own thread, which sleeps
// without a timeout while there is nothing to wait for.
class Strand {
 public:
  using Work = absl::AnyInvocable<void() &&>;

  // `on_idle` runs on the strand whenever no work is left, before the thread leaves it.
  Strand(const Clock& clock, std::function<void()> on_idle);
  ~Strand();

  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // Starts the strand's thread. Without one, work runs in Run and RunDue only.
  void Start();
  // Runs what was posted, and then nothing more; timers are dropped. Not on the strand.
  void Stop();

  // Gives work to the strand's thread, or to the thread that is the strand now.
  void Post(Work work);
  // Runs `work` here, and whatever else there is to do, if no other thread is the strand; posts it
  // otherwise. The caller must not be the strand.
  template <typename F>
  void Run(F&& work) {
    if (!Enter()) {
      Post(std::forward<F>(work));
      return;
    }
    std::forward<F>(work)();
    Leave();
  }
  // Runs what is posted and due, if no other thread is the strand.
  void RunDue() {
    Run([] {});
  }

  // Runs `work` at `when`, by the monotonic clock. On the strand only.
  void At(absl::Duration when, Work work) { timers_.emplace(when, std::move(work)); }
  // When the next timer is due; infinite: there is none.
  absl::Duration next_due() const;

 private:
  // Whether this thread is the strand now.
  bool Enter();
  // Does what is left to do; then the thread is no longer the strand.
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
  // Until when the thread sleeps; 0: it is awake.
  absl::Duration wakes_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::processor::internal
