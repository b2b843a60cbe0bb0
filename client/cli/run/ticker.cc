#include "client/cli/run/ticker.h"

#include <utility>

#include "storage/base/clock.h"

namespace eventhub::cli {

Ticker::Ticker(absl::Duration first, Tick tick)
    : tick_(std::move(tick)), thread_([this, first] { Run(first); }) {}

Ticker::~Ticker() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stopped_.NotifyAll();
  }
  thread_.join();
}

void Ticker::Run(absl::Duration delay) {
  while (WaitFor(delay)) delay = tick_();
}

bool Ticker::WaitFor(absl::Duration delay) {
  const absl::Duration until = Clock::System().Monotonic() + delay;
  MutexLock lock(mutex_);
  while (!stopping_) {
    const absl::Duration left = until - Clock::System().Monotonic();
    if (left <= absl::ZeroDuration()) break;
    stopped_.WaitFor(mutex_, left);
  }
  return !stopping_;
}

}  // namespace eventhub::cli
