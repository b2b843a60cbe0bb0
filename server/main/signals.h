// Handles the signals that end a service.
#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Blocks SIGTERM and SIGINT, and ignores SIGPIPE. Call before starting any thread.
void BlockTerminationSignals();

// Waits for SIGTERM or SIGINT, which must be blocked, and bounds how long the process takes to end
// after it: a disk that does not answer blocks a thread without an end, and whoever waits for that
// thread. A second signal ends the process at once, by its default action. Thread-safe.
class Termination {
 public:
  // If the process has not ended `bound` after the signal, `give_up` is called on another thread,
  // and the process exits with its result.
  Termination(absl::Duration bound, std::function<int()> give_up);
  // There is no bound any more.
  ~Termination();

  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  bool arrived() const;

  // Waits for the signal, and returns which it was.
  int Await();

  // Sets the bound anew, after the signal, from now on.
  void EndWithin(absl::Duration bound);

 private:
  void Run();
  // Until the process has to end, at most a minute; in milliseconds, for poll().
  int PollTimeout() const;
  void Note(int signal);

  const absl::Duration bound_;
  const std::function<int()> give_up_;
  int signals_ = -1;  // Descriptors.
  int wake_ = -1;

  mutable Mutex mutex_;
  CondVar arrived_;
  std::optional<int> signal_ ABSL_GUARDED_BY(mutex_);
  absl::Duration deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();  // Monotonic.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // Last: it uses the members above.
};

}  // namespace eventhub
