// Turns Ctrl-C and SIGTERM into something that a command can poll, wait for or be notified of.
#pragma once

#include <csignal>
#include <functional>
#include <thread>

#include "storage/base/mutex.h"

namespace eventhub::cli {

// While one lives, the first SIGINT or SIGTERM asks the command to end; the second ends the
// process at once. There is at most one, made before any other thread is started, so that all
// threads inherit its signal mask.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();

  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Whether the first signal came.
  bool raised() const;

  // Becomes readable with the first signal, and stays so.
  int fd() const { return event_fd_; }

  // Calls `callback` once, on another thread, at the first signal, or at once, on this thread, if
  // it came already. Replaces the callback before; an empty one takes it back, and when that
  // returns none is running.
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
