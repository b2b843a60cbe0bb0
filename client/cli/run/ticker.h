// A thread that calls a function periodically until it is stopped.
#pragma once

#include <functional>
#include <thread>

#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace eventhub::cli {

// Calls a function after a delay, and again each time after the delay that it returns. Destruction
// wakes the thread, and waits for a call that is under way.
class Ticker {
 public:
  using Tick = std::function<absl::Duration()>;

  Ticker(absl::Duration first, Tick tick);
  ~Ticker();

  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  void Run(absl::Duration delay);
  // Returns false if the ticker is stopping.
  bool WaitFor(absl::Duration delay);

  const Tick tick_;
  Mutex mutex_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: uses the members above.
};

}  // namespace eventhub::cli
