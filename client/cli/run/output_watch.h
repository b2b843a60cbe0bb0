// Notices that nobody reads standard output any more.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace eventhub::cli {

// For commands that print events as they come, and may wait for the next one without end: while
// they wait, they would not learn that the reader of their output has gone (`read --follow |
// head`).
//
// If standard output is a pipe or a socket, a thread waits for its reader to close it. Then the
// process ends by SIGPIPE, as it would by writing; or, if that signal is ignored, `on_gone` is
// called once, on the thread, and is to end the command with OutputClosed().
class OutputWatch {
 public:
  explicit OutputWatch(std::function<void()> on_gone);
  // After this, `on_gone` is not running and will not be called.
  ~OutputWatch();

  OutputWatch(const OutputWatch&) = delete;
  OutputWatch& operator=(const OutputWatch&) = delete;

  // Whether the reader has gone.
  bool gone() const { return gone_.load(std::memory_order_acquire); }

 private:
  void Watch();

  const std::function<void()> on_gone_;
  std::atomic<bool> gone_{false};
  int quit_fd_ = -1;
  std::thread watcher_;  // Not running if the output is of another kind.
};

}  // namespace eventhub::cli
