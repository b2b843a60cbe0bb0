// Waits until the events of a replay to a subscription are settled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/filter.h"
#include "eventhub/subscription_client.h"

namespace eventhub::cli {

// Returns how many events of replays are left after at most `timeout`; none, if they are all
// settled before. Shows the progress of `events`, with the time left. Goes on while the hub cannot
// be reached; then returns that error when the time is over. Ends, too, when `interrupt_fd` is
// readable; -1: there is none.
absl::StatusOr<uint64_t> AwaitReplay(client::SubscriptionClient& client,
                                     const std::string& subscription, uint64_t events,
                                     absl::Duration timeout, int interrupt_fd = -1);

// What `--type` and `--filter` of a replay mean together; `type` may be empty.
std::optional<client::Filter> ReplayFilter(const std::string& type,
                                           const std::optional<client::Filter>& filter);

}  // namespace eventhub::cli
