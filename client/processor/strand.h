// The strand of a processor: runs its work on one thread at a time, and its timers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "client/src/subscribe/turn.h"
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

  // Starts the strand's thread; to be called before Run and Post. Without it, work runs only in Run
  // and RunDue, and so do timers.
  void Start();
  // Runs the work that was posted, and nothing more; timers are dropped. Must not be called on the
  // strand.
  void Stop();

  // Submits work to the thread that is the strand now, or to the strand's own thread.
  void Post(Work work);
  // If no other thread is the strand, runs `work` on this thread, and then all other waiting work,
  // or at the end of the thread's turn (client::Turn) if it has one; otherwise posts it. Must not
  // be called by work on the strand.
  template <typename F>
  void Run(F&& work) {
    client::Turn* const turn = client::Turn::current();
    const bool stays = turn != nullptr && turn_.load(std::memory_order_relaxed) == turn;
    if (!stays && !Enter()) {
      Post(std::forward<F>(work));
      return;
    }
    if (!stays) ++epoch_;
    std::forward<F>(work)();
    if (stays) return;
    if (turn == nullptr) {
      Leave();
      return;
    }
    turn_.store(turn, std::memory_order_relaxed);
    turn->AtEnd([this] {
      turn_.store(nullptr, std::memory_order_relaxed);
      Leave();
    });
  }
  // Runs posted work and due timers, if no other thread is the strand.
  void RunDue() {
    Run([] {});
  }

  // Runs `work` at `when`, by the monotonic clock. On the strand only.
  void At(absl::Duration when, Work work);
  // Changes when other work ran since. On the strand only.
  uint64_t epoch() const { return epoch_; }
  // When the next timer is due; infinite if there is none.
  absl::Duration next_due() const;

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  // The bits of `state_`.
  static constexpr uint32_t kEntered = 1;  // A thread is the strand.
  static constexpr uint32_t kPosted = 2;   // `posted_` is not empty.
  static constexpr uint32_t kDue = 4;      // Timers are due, but another thread is the strand.
  static constexpr uint32_t kStopping = 8;

  // Whether this thread is the strand now.
  bool Enter() { return (state_.fetch_or(kEntered) & kEntered) == 0; }
  // Runs all waiting work; then the thread is no longer the strand.
  void Leave();
  void RunPosted();
  void RunTimers();
  // Whether this thread is no longer the strand; false if there is more to do.
  bool TryLeave();
  void ThreadMain();
  // Waits, as the strand's own thread, until it has to be the strand; returns whether it is, or
  // false if it is to end.
  bool AwaitTurn();

  const Clock& clock_;
  const std::function<void()> on_idle_;
  std::thread thread_;  // Used by Start and Stop only.
  bool has_thread_ = false;

  // On the strand only.
  std::multimap<int64_t, Work> timers_;  // By when they are due, in nanoseconds.
  std::vector<Work> batch_;
  uint64_t epoch_ = 1;

  // The turn to whose end its thread stays the strand; null if there is none. Another thread never
  // finds its own turn here.
  std::atomic<const client::Turn*> turn_ = nullptr;

  // A thread enters and leaves without the mutex and, if it has a thread of its own for timers,
  // without asking for the time: both happen for each event. kPosted and kStopping are set with the
  // mutex held, so that the strand's own thread misses none before it sleeps.
  std::atomic<uint32_t> state_ = 0;
  // In nanoseconds: the first timer as of the last time a thread left, and when the sleeping thread
  // wakes up; 0: it is awake. Who leaves writes the one and reads the other; the thread writes and
  // reads them in the opposite order, so that one of them notices an earlier timer.
  std::atomic<int64_t> next_due_ = kNever;
  std::atomic<int64_t> wakes_at_ = 0;

  Mutex mutex_;
  CondVar wake_;
  std::vector<Work> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::processor::internal
