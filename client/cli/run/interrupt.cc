#include "client/cli/run/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace eventhub::cli {
namespace {

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Interrupt::Interrupt() : event_fd_(eventfd(0, EFD_CLOEXEC)), quit_fd_(eventfd(0, EFD_CLOEXEC)) {
  const sigset_t signals = WatchedSignals();
  pthread_sigmask(SIG_BLOCK, &signals, &former_mask_);
  watcher_ = std::thread([this] { Watch(); });
}

Interrupt::~Interrupt() {
  eventfd_write(quit_fd_, 1);
  watcher_.join();
  pthread_sigmask(SIG_SETMASK, &former_mask_, nullptr);
  close(event_fd_);
  close(quit_fd_);
}

bool Interrupt::raised() const {
  MutexLock lock(mutex_);
  return raised_;
}

void Interrupt::OnRaise(std::function<void()> callback) {
  MutexLock lock(mutex_);
  callback_ = std::move(callback);
  if (raised_ && callback_) callback_();
}

void Interrupt::Watch() {
  const sigset_t signals = WatchedSignals();
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  while (true) {
    std::array<pollfd, 2> fds = {{{signal_fd, POLLIN, 0}, {quit_fd_, POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    if (fds[1].revents != 0) break;
    signalfd_siginfo info{};
    if (read(signal_fd, &info, sizeof(info)) != sizeof(info)) continue;
    MutexLock lock(mutex_);
    if (raised_) _exit(128 + static_cast<int>(info.ssi_signo));
    raised_ = true;
    eventfd_write(event_fd_, 1);
    if (callback_) callback_();
  }
  close(signal_fd);
}

}  // namespace eventhub::cli
