// Calls a function on SIGINT and SIGTERM, for programs that run until they are stopped.
#pragma once

#include <functional>

namespace eventhub::client {

// Receives the signals from construction to destruction, on a thread that all objects of the
// process share. Each object is called for each signal, until it has been called twice; then, and
// when the last object is gone, the handlers that the process had before are restored, so that a
// third signal does what it would have done. A signal that the process ignored stays ignored, as
// `nohup` and shells expect of background jobs.
//
// Thread-safe. The program must not change its handlers of these signals meanwhile.
class StopSignals {
 public:
  // `on_signal` gets the number of signals so far, 1 or 2. It must not block.
  explicit StopSignals(std::function<void(int count)> on_signal);
  // Returns when on_signal does not run.
  ~StopSignals();

  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  class Watch;

  const std::function<void(int count)> on_signal_;
  int count_ = 0;  // Guarded by the watch.
};

}  // namespace eventhub::client
