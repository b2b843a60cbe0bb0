// Lets a command poll, wait for, or be notified of Ctrl-C and SIGTERM.
#pragma once

#include <csignal>
#include <functional>
#include <thread>

#include "storage/base/mutex.h"

namespace eventhub::cli {

// During its lifetime, the first SIGINT or SIGTERM asks the command to end; the second ends the
// process at once. At most one exists, created before any other thread is started, so that all
// threads inherit its signal mask.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();

  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Whether the first signal arrived.
  bool raised() const;

  // Becomes readable at the first signal, and remains readable.
  int fd() const { return event_fd_; }

  // Calls `callback` once: at the first signal, on another thread, or at once, on this thread, if
  // the signal has arrived already. Replaces the previous callback. An empty callback removes it;
  // after that call returns, no callback is running.
  void OnRaise(std::function<void()> callback);

 private:
  void Watch();

  int event_fd_ = -1;
  int quit_fd_ = -1;
  sigset_t former_mask_{};
  mutable Mutex mutex_;
  bool raised_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> callback_ ABSL_GUARDED_BY(mutex_);
  std::thread watcher_;
};

}  // namespace eventhub::cli
