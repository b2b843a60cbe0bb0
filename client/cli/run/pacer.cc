#include "client/cli/run/pacer.h"

#include <poll.h>

#include <algorithm>

#include "storage/base/clock.h"

namespace eventhub::cli {
namespace {

// How much a command that was held up may catch up at once.
constexpr absl::Duration kBurst = absl::Milliseconds(50);

}  // namespace

absl::Duration TimeUnder(const client::RateLimit& limit, uint64_t events, uint64_t bytes) {
  const auto time = [](uint64_t amount, uint64_t per_second) {
    if (per_second == 0) return absl::ZeroDuration();
    return absl::Seconds(static_cast<double>(amount) / static_cast<double>(per_second));
  };
  return std::max(time(events, limit.events_per_second), time(bytes, limit.bytes_per_second));
}

Pacer::Pacer(const client::RateLimit& limit) : limit_(limit), due_(Clock::System().Monotonic()) {}

absl::Duration Pacer::Take(uint64_t bytes) {
  const absl::Duration time = TimeUnder(limit_, 1, bytes);
  if (time == absl::ZeroDuration()) return time;
  const absl::Duration now = Clock::System().Monotonic();
  due_ = std::max(due_, now - kBurst);
  const absl::Duration wait = std::max(due_ - now, absl::ZeroDuration());
  due_ += time;
  return wait;
}

void Pacer::Wait(absl::Duration time, int interrupt_fd) {
  const absl::Duration end = Clock::System().Monotonic() + time;
  for (absl::Duration left = time; left > absl::ZeroDuration();
       left = end - Clock::System().Monotonic()) {
    pollfd interrupt = {interrupt_fd, POLLIN, 0};
    const int64_t milliseconds = std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 1,
                                                     absl::ToInt64Milliseconds(absl::Hours(1)));
    if (poll(&interrupt, 1, static_cast<int>(milliseconds)) > 0) return;
  }
}

}  // namespace eventhub::cli
