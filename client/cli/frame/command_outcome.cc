#include "client/cli/frame/command_outcome.h"

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace eventhub::cli {
namespace {

std::string Reason(const CommandResult& result) {
  const std::string end = result.signal != 0 ? absl::StrCat("killed by signal ", result.signal,
                                                            " (", strsignal(result.signal), ")")
                                             : absl::StrCat("exit code ", result.exit_code);
  return result.last_error.empty() ? end : absl::StrCat(end, ": ", result.last_error);
}

}  // namespace

client::Outcome OutcomeOf(const absl::StatusOr<CommandResult>& result,
                          std::optional<absl::Duration> retry_delay) {
  if (!result.ok()) {
    const std::string reason(result.status().message());
    return absl::IsInvalidArgument(result.status()) ? client::Outcome::Park(reason)
                                                    : client::Outcome::Retry(reason, retry_delay);
  }
  if (result->signal == 0) {
    if (result->exit_code == 0) return client::Outcome::Ack();
    if (result->exit_code == kExitParks) return client::Outcome::Park(Reason(*result));
    if (result->exit_code == kExitSkips) return client::Outcome::Skip(Reason(*result));
  }
  return client::Outcome::Retry(Reason(*result), retry_delay);
}

}  // namespace eventhub::cli
