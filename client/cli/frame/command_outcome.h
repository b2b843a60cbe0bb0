// What the end of a command says of its event.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/frame/command_runner.h"
#include "eventhub/subscriber.h"

namespace eventhub::cli {

// Those of <sysexits.h> where it has one.
inline constexpr int kExitParks = 65;      // EX_DATAERR: the event is not valid.
inline constexpr int kExitTemporary = 75;  // EX_TEMPFAIL: as every other code, but by intention.
inline constexpr int kExitSkips = 100;     // It is none of the command's business.

// Exit code 0 acks, kExitParks parks, kExitSkips skips; all else is a retry, after `retry_delay` if
// it is set. The reason is the exit code or signal, and the last line of stderr. A command that
// could not be started, or whose end is not known, is a retry too, unless it never could be for
// this event: that is parked.
client::Outcome OutcomeOf(const absl::StatusOr<CommandResult>& result,
                          std::optional<absl::Duration> retry_delay);

}  // namespace eventhub::cli
