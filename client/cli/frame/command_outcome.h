// The outcome of an event, by the exit code of its command.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/frame/command_runner.h"
#include "eventhub/subscriber.h"

namespace eventhub::cli {

// Those of <sysexits.h> where it has one.
inline constexpr int kExitParks = 65;      // EX_DATAERR: the event is not valid.
inline constexpr int kExitTemporary = 75;  // EX_TEMPFAIL: retries, like any other code.
inline constexpr int kExitSkips = 100;     // The command does not handle such events.

// Exit code 0 acks, kExitParks parks, kExitSkips skips; anything else retries, after `retry_delay`
// if set. The reason is the exit code or signal, and the last line of stderr. A command that cannot
// be started, or whose end is unknown, retries too; an event that can never be passed to it is
// parked.
client::Outcome OutcomeOf(const absl::StatusOr<CommandResult>& result,
                          std::optional<absl::Duration> retry_delay);

}  // namespace eventhub::cli
