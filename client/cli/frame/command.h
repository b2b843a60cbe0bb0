// Shared parts of the subcommands of `eventhub`, and the functions that add them.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cli/input/units.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/subscription_client.h"

namespace eventhub::cli {

// The global options and the chosen subcommand. Created by main() before the command line is
// parsed; outlives everything that refers to it.
struct Context {
  // `host:port` or `unix:/path`.
  std::string address = "localhost:7070";
  // TLS with the hub; see UsesTls.
  client::TlsOptions tls;
  bool use_tls = false;
  // How long to try; each command has its own default.
  std::optional<absl::Duration> timeout;
  // Runs the chosen subcommand; set by parsing the command line.
  std::function<absl::Status()> run;
};

// Each adds one subcommand, its options and its examples.
void AddTopicsCommand(CLI::App& app, Context& context);
void AddPublishCommand(CLI::App& app, Context& context);
void AddDelayedCommand(CLI::App& app, Context& context);
void AddEraseCommand(CLI::App& app, Context& context);
void AddErasuresCommand(CLI::App& app, Context& context);
void AddLakeCommand(CLI::App& app, Context& context);
void AddLinksCommand(CLI::App& app, Context& context);
void AddOutboxCommand(CLI::App& app, Context& context);
void AddReadCommand(CLI::App& app, Context& context);
void AddTraceCommand(CLI::App& app, Context& context);
void AddApplyCommand(CLI::App& app, Context& context);
void AddExportCommand(CLI::App& app, Context& context);
void AddRoutesCommand(CLI::App& app, Context& context);
void AddSubscriptionsCommand(CLI::App& app, Context& context);
void AddConsumeCommand(CLI::App& app, Context& context);
void AddFaultsCommand(CLI::App& app, Context& context);
void AddFilterCommand(CLI::App& app, Context& context);
void AddStatsCommand(CLI::App& app, Context& context);
void AddHealthCommand(CLI::App& app, Context& context);
void AddClockCommand(CLI::App& app, Context& context);
void AddBenchCommand(CLI::App& app, Context& context);

// Each adds one command to the group `subscriptions`.
void AddSeekCommand(CLI::App& subscriptions, Context& context);
void AddReplayCommand(CLI::App& subscriptions, Context& context);
void AddSnapshotsCommand(CLI::App& subscriptions, Context& context);
void AddDeadLettersCommand(CLI::App& subscriptions, Context& context);

// Whether to use TLS: --tls or another option of TLS is given.
bool UsesTls(const Context& context);
// A connection to the hub, which the first call establishes.
std::shared_ptr<client::Connection> ConnectToHub(const Context& context);
// The options of the clients for administration.
client::AdminOptions AdminOptionsOf(const Context& context);
client::AdminClient ConnectAdmin(const Context& context);
client::SubscriptionClient ConnectSubscriptions(const Context& context);

// Sets what `command` does when it is chosen.
void SetRun(CLI::App& command, Context& context, std::function<absl::Status()> run);

// Adds a group of commands, e.g. `topics`.
CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& description,
                   const char* examples);

// Adds a command to a group of commands, e.g. `create` to `topics`.
CLI::App* AddVerb(CLI::App& group, const std::string& verb, const std::string& description,
                  const char* examples);

// Adds `--output=table|json`; sets `*json`.
void AddOutputOption(CLI::App& command, bool* json);

// Adds `--pause` and `--resume`; sets `*paused` if one of them is given.
void AddPauseFlags(CLI::App& command, std::optional<bool>* paused);

// Parses `default`, `written` or `synced`.
absl::StatusOr<client::Durability> ParseDurability(absl::string_view text);
absl::string_view DurabilityName(client::Durability durability);

// Wrong usage that is found after parsing: main() exits with 2.
absl::Status UsageError(absl::string_view message);
bool IsUsageError(const absl::Status& status);

// A failure without a message: main() exits with `exit_code` and prints nothing.
absl::Status SilentFailure(int exit_code = 1);
int SilentFailureCode(const absl::Status& status);
bool IsSilentFailure(const absl::Status& status);

// A command that a signal ended before it was done: main() prints the message and exits with 130,
// as shells do after Ctrl-C. Ending a command that has no other end, such as `read --follow`, is
// success.
absl::Status InterruptedError(absl::string_view message);
bool IsInterrupted(const absl::Status& status);

// `status` with another message and the same code and payloads.
absl::Status WithMessage(const absl::Status& status, absl::string_view message);

// Marks an error whose outcome is known: the user declined, or the output could not be written.
// main() then does not add that the change may be done nevertheless.
absl::Status WithKnownOutcome(absl::Status status);
bool HasKnownOutcome(const absl::Status& status);

// The long name among `-p,--partitions`.
inline std::string OptionTitle(const std::string& names) {
  return names.substr(names.rfind(',') + 1);
}

// Adds an option whose text `parse`, which returns a StatusOr, turns into `*target`. An error is
// wrong usage with its message.
template <typename T, typename Parse>
CLI::Option* AddParsedOption(CLI::App& command, const std::string& name, T* target, Parse parse,
                             const std::string& description, const std::string& type_name) {
  const auto assign = [target, parse, name](const std::string& text) {
    auto value = parse(text);
    // Callbacks report errors to the library by this exception.
    if (!value.ok()) {
      throw CLI::ValidationError(OptionTitle(name), std::string(value.status().message()));
    }
    *target = *std::move(value);
  };
  return command.add_option_function<std::string>(name, assign, description)->type_name(type_name);
}

// Like AddParsedOption, for an option that may be repeated, with one value each time.
template <typename T, typename Parse>
CLI::Option* AddParsedListOption(CLI::App& command, const std::string& name, std::vector<T>* target,
                                 Parse parse, const std::string& description,
                                 const std::string& type_name) {
  const auto assign = [target, parse, name](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      auto value = parse(text);
      // Callbacks report errors to the library by this exception.
      if (!value.ok()) {
        throw CLI::ValidationError(OptionTitle(name), std::string(value.status().message()));
      }
      target->push_back(*std::move(value));
    }
  };
  return command.add_option_function<std::vector<std::string>>(name, assign, description)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name(type_name);
}

template <typename T>
struct CountType {
  using Type = T;
};
template <typename T>
struct CountType<std::optional<T>> {
  using Type = T;
};

// Adds an option that is a number from `min` to `max`; `*target` is an integer or an optional of
// one.
template <typename T>
CLI::Option* AddCountOption(CLI::App& command, const std::string& name, T* target, uint64_t min,
                            uint64_t max, const std::string& description) {
  using Count = typename CountType<T>::Type;
  max = std::min<uint64_t>(max, std::numeric_limits<Count>::max());
  const auto parse = [min, max](absl::string_view text) -> absl::StatusOr<Count> {
    const absl::StatusOr<uint64_t> count = ParseCount(text, min, max);
    if (!count.ok()) return count.status();
    return static_cast<Count>(*count);
  };
  return AddParsedOption(command, name, target, parse, description, "N");
}

// Sets the field if the update has a value for it.
template <typename T>
void SetIfGiven(const std::optional<T>& value, T* field) {
  if (value.has_value()) *field = *value;
}

// Accepts one of these words.
CLI::Validator OneOf(std::vector<std::string> words);

// A usage error if there is no terminal to ask on: scripts have to pass --yes to `command`.
absl::Status NeedTerminal(absl::string_view command);

// Asks `question` on the terminal. CANCELLED with the message `otherwise` unless the answer is yes.
absl::Status Confirm(const std::string& question, const std::string& otherwise);

// A silent failure with the exit code that a shell has for SIGPIPE: nobody reads the output.
absl::Status OutputClosed();

// Writes to standard output, unbuffered. Returns failures such as a full disk. A closed pipe ends
// the process by SIGPIPE, as usual; if that signal is ignored, returns OutputClosed().
absl::Status WriteOut(absl::string_view text);

}  // namespace eventhub::cli
