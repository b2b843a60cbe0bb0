// Runs work after a delay, for the lingering, backoff and deadlines of a connection's users.
#pragma once

#include <map>
#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// A thread that is started with the first work. Thread-safe. Work must be quick. Work that is not
// due at destruction is dropped; the destructor waits for running work, unless that work itself
// destroys the timer.
class TimerThread {
 public:
  TimerThread() : state_(std::make_shared<State>()) {}
  ~TimerThread();

  TimerThread(const TimerThread&) = delete;
  TimerThread& operator=(const TimerThread&) = delete;

  void RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work);

 private:
  // Shared with the thread, which outlives a timer that its own work destroys.
  struct State {
    void Run();

    Mutex mutex;
    CondVar changed;
    std::multimap<absl::Duration, absl::AnyInvocable<void() &&>> due ABSL_GUARDED_BY(mutex);
    bool stopping ABSL_GUARDED_BY(mutex) = false;
    bool started ABSL_GUARDED_BY(mutex) = false;
  };

  const std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace eventhub::client
