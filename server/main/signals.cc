#include "server/main/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "storage/base/clock.h"

namespace eventhub {
namespace {

constexpr absl::Duration kLongestPoll = absl::Minutes(1);

sigset_t TerminationSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void BlockTerminationSignals() {
  const sigset_t set = TerminationSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Termination::Termination(absl::Duration bound, std::function<int()> give_up)
    : bound_(bound), give_up_(std::move(give_up)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  const sigset_t set = TerminationSignals();
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  thread_ = std::thread([this] { Run(); });
}

Termination::~Termination() {
  {
    MutexLock lock(mutex_);
    ended_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  close(signals_);
  close(wake_);
}

bool Termination::arrived() const {
  MutexLock lock(mutex_);
  return signal_.has_value();
}

int Termination::Await() {
  MutexLock lock(mutex_);
  while (!signal_.has_value()) arrived_.Wait(mutex_);
  return *signal_;
}

void Termination::EndWithin(absl::Duration bound) {
  {
    MutexLock lock(mutex_);
    deadline_ = Clock::System().Monotonic() + bound;
  }
  eventfd_write(wake_, 1);
}

int Termination::PollTimeout() const {
  MutexLock lock(mutex_);
  const absl::Duration left = deadline_ - Clock::System().Monotonic();
  // Rounded up, so that the time has passed afterwards.
  return static_cast<int>(absl::ToInt64Milliseconds(
      absl::Ceil(std::clamp(left, absl::ZeroDuration(), kLongestPoll), absl::Milliseconds(1))));
}

void Termination::Note(int signal) {
  // The next one is delivered to this thread, the only one that does not block it.
  const sigset_t set = TerminationSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  MutexLock lock(mutex_);
  signal_ = signal;
  deadline_ = Clock::System().Monotonic() + bound_;
  arrived_.NotifyAll();
}

void Termination::Run() {
  bool arrived = false;
  for (;;) {
    std::array<pollfd, 2> fds = {{{wake_, POLLIN, 0}, {arrived ? -1 : signals_, POLLIN, 0}}};
    poll(fds.data(), fds.size(), PollTimeout());
    eventfd_t woken = 0;
    eventfd_read(wake_, &woken);
    signalfd_siginfo info{};
    if (!arrived && read(signals_, &info, sizeof(info)) == sizeof(info)) {
      arrived = true;
      Note(static_cast<int>(info.ssi_signo));
    }
    {
      MutexLock lock(mutex_);
      if (ended_) return;
      if (Clock::System().Monotonic() < deadline_) continue;
    }
    // Other threads must not run the destructors of what those use that do not end.
    _exit(give_up_());
  }
}

}  // namespace eventhub
