#include "client/cli/run/replay_wait.h"

#include <poll.h>

#include <algorithm>
#include <atomic>

#include "client/cli/run/progress.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr absl::Duration kLookAgainAfter = absl::Milliseconds(250);

bool CannotReach(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::StatusOr<uint64_t> AwaitReplay(client::SubscriptionClient& client,
                                     const std::string& subscription, uint64_t events,
                                     absl::Duration timeout, int interrupt_fd) {
  const Clock& clock = Clock::System();
  const absl::Duration end = clock.Monotonic() + timeout;
  std::atomic<uint64_t> done{0};
  const CallProgress progress("replaying", events,
                              [&done]() -> absl::StatusOr<uint64_t> { return done.load(); });
  for (;;) {
    const auto description = client.GetSubscription(subscription);
    if (!description.ok() && !CannotReach(description.status())) return description.status();
    if (description.ok()) {
      const uint64_t left = description->stats.replay_events;
      if (left == 0) return 0;
      done = events - std::min(left, events);
    }
    pollfd interrupt{interrupt_fd, POLLIN, 0};  // Ignored if negative.
    const absl::Duration rest = std::min(end - clock.Monotonic(), kLookAgainAfter);
    const bool over = rest <= absl::ZeroDuration();
    if (over || poll(&interrupt, 1, static_cast<int>(absl::ToInt64Milliseconds(rest)) + 1) > 0) {
      RETURN_IF_ERROR(description.status());
      return description->stats.replay_events;
    }
  }
}

std::optional<client::Filter> ReplayFilter(const std::string& type,
                                           const std::optional<client::Filter>& filter) {
  if (type.empty()) return filter;
  const client::Filter of_type = client::Filter::Exact({{"type", type}});
  return filter ? client::Filter::All({of_type, *filter}) : of_type;
}

}  // namespace eventhub::cli
