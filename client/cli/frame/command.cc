#include "client/cli/frame/command.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {
namespace {

constexpr absl::string_view kUsagePayload = "eventhub.cli/usage";
constexpr absl::string_view kSilentPayload = "eventhub.cli/silent";
constexpr absl::string_view kInterruptedPayload = "eventhub.cli/interrupted";
constexpr absl::string_view kKnownOutcomePayload = "eventhub.cli/known-outcome";

}  // namespace

bool UsesTls(const Context& context) {
  const client::TlsOptions& tls = context.tls;
  return context.use_tls || !tls.ca_file.empty() || !tls.certificate_file.empty() ||
         !tls.key_file.empty() || !tls.server_name.empty();
}

std::shared_ptr<client::Connection> ConnectToHub(const Context& context) {
  client::ConnectionOptions options;
  options.user_agent = "eventhub-cli/" EVENTHUB_VERSION;
  if (UsesTls(context)) options.tls = context.tls;
  return client::Connect(context.address, std::move(options));
}

client::AdminOptions AdminOptionsOf(const Context& context) {
  return {.timeout = context.timeout.value_or(absl::Seconds(10))};
}

client::AdminClient ConnectAdmin(const Context& context) {
  return client::AdminClient(ConnectToHub(context), AdminOptionsOf(context));
}

client::SubscriptionClient ConnectSubscriptions(const Context& context) {
  return client::SubscriptionClient(ConnectToHub(context), AdminOptionsOf(context));
}

void SetRun(CLI::App& command, Context& context, std::function<absl::Status()> run) {
  command.callback([&context, run = std::move(run)] { context.run = run; });
}

CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& description,
                   const char* examples) {
  CLI::App* group = AddVerb(parent, name, description, examples);
  group->require_subcommand(1);
  return group;
}

CLI::App* AddVerb(CLI::App& group, const std::string& verb, const std::string& description,
                  const char* examples) {
  CLI::App* command = group.add_subcommand(verb, description);
  command->footer(examples);
  return command;
}

CLI::Validator OneOf(std::vector<std::string> words) {
  return CLI::Validator(
      [words = std::move(words)](const std::string& text) {
        if (std::find(words.begin(), words.end(), text) != words.end()) return std::string();
        return absl::StrCat("'", text, "' is not one of: ", absl::StrJoin(words, ", "));
      },
      "");
}

absl::Status NeedTerminal(absl::string_view command) {
  if (isatty(STDIN_FILENO) == 1) return absl::OkStatus();
  return UsageError(absl::StrCat(command, ": requires --yes when there is no terminal to ask on"));
}

absl::Status Confirm(const std::string& question, const std::string& otherwise) {
  std::fprintf(stderr, "%s [y/N] ", question.c_str());
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return WithKnownOutcome(absl::CancelledError(otherwise));
}

void AddOutputOption(CLI::App& command, bool* json) {
  command
      .add_option_function<std::string>(
          "-o,--output", [json](const std::string& format) { *json = format == "json"; },
          "table, or json: one object per line")
      ->check(OneOf({"table", "json"}))
      ->type_name("FORMAT");
}

void AddPauseFlags(CLI::App& command, std::optional<bool>* paused) {
  CLI::Option* pause = command.add_flag_callback(
      "--pause", [paused] { *paused = true; }, "Stop it until it is resumed");
  command
      .add_flag_callback(
          "--resume", [paused] { *paused = false; }, "Let it run again")
      ->excludes(pause);
}

absl::StatusOr<client::Durability> ParseDurability(absl::string_view text) {
  if (text == "default") return client::Durability::kDefault;
  if (text == "written") return client::Durability::kWritten;
  if (text == "synced") return client::Durability::kSynced;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not one of: default, written, synced"));
}

absl::string_view DurabilityName(client::Durability durability) {
  switch (durability) {
    case client::Durability::kWritten:
      return "written";
    case client::Durability::kSynced:
      return "synced";
    case client::Durability::kDefault:
      break;
  }
  return "default";
}

absl::Status UsageError(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

absl::Status SilentFailure(int exit_code) {
  absl::Status status = absl::UnknownError("");
  status.SetPayload(kSilentPayload, absl::Cord(absl::string_view(absl::StrCat(exit_code))));
  return status;
}

int SilentFailureCode(const absl::Status& status) {
  int code = 1;
  const auto payload = status.GetPayload(kSilentPayload);
  if (payload && absl::SimpleAtoi(std::string(*payload), &code)) return code;
  return 1;
}

bool IsSilentFailure(const absl::Status& status) {
  return status.GetPayload(kSilentPayload).has_value();
}

absl::Status InterruptedError(absl::string_view message) {
  absl::Status status = absl::CancelledError(message);
  status.SetPayload(kInterruptedPayload, absl::Cord());
  return status;
}

bool IsInterrupted(const absl::Status& status) {
  return status.GetPayload(kInterruptedPayload).has_value();
}

absl::Status WithMessage(const absl::Status& status, absl::string_view message) {
  absl::Status result(status.code(), message);
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

absl::Status WithKnownOutcome(absl::Status status) {
  status.SetPayload(kKnownOutcomePayload, absl::Cord());
  return status;
}

bool HasKnownOutcome(const absl::Status& status) {
  return status.GetPayload(kKnownOutcomePayload).has_value();
}

absl::Status OutputClosed() { return SilentFailure(128 + SIGPIPE); }

absl::Status WriteOut(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      return OutputClosed();
    } else if (errno != EINTR) {
      return WithKnownOutcome(absl::ErrnoToStatus(errno, "writing to standard output"));
    }
  }
  return absl::OkStatus();
}

}  // namespace eventhub::cli
