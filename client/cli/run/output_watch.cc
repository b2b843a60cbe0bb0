#include "client/cli/run/output_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

namespace eventhub::cli {
namespace {

// Files have no reader that could go, and a terminal that goes sends SIGHUP.
bool MayLoseItsReader(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

}  // namespace

OutputWatch::OutputWatch(std::function<void()> on_gone) : on_gone_(std::move(on_gone)) {
  if (!MayLoseItsReader(STDOUT_FILENO)) return;
  quit_fd_ = eventfd(0, EFD_CLOEXEC);
  watcher_ = std::thread([this] { Watch(); });
}

OutputWatch::~OutputWatch() {
  if (!watcher_.joinable()) return;
  eventfd_write(quit_fd_, 1);
  watcher_.join();
  close(quit_fd_);
}

void OutputWatch::Watch() {
  // Errors and hang-ups are reported without being asked for.
  std::array<pollfd, 2> fds = {{{STDOUT_FILENO, 0, 0}, {quit_fd_, POLLIN, 0}}};
  while (poll(fds.data(), fds.size(), -1) < 0) {
  }
  if (fds[0].revents == 0) return;
  std::raise(SIGPIPE);
  gone_.store(true, std::memory_order_release);
  on_gone_();
}

}  // namespace eventhub::cli
