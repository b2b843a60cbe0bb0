#include "client/cli/command.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {
namespace {

constexpr absl::string_view kUsagePayload = "eventhub.cli/usage";
constexpr absl::string_view kSilentPayload = "eventhub.cli/silent";

}  // namespace

std::shared_ptr<client::Connection> ConnectToHub(const Context& context) {
  client::ConnectionOptions options;
  options.user_agent = "eventhub-cli/" EVENTHUB_VERSION;
  return client::Connect(context.address, std::move(options));
}

client::AdminClient ConnectAdmin(const Context& context) {
  return client::AdminClient(ConnectToHub(context),
                             {.timeout = context.timeout.value_or(absl::Seconds(10))});
}

void AddOutputOption(CLI::App& command, bool* json) {
  command
      .add_option_function<std::string>(
          "-o,--output", [json](const std::string& format) { *json = format == "json"; },
          "table, or json: one object per line")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT");
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

absl::Status SilentFailure() {
  absl::Status status = absl::UnknownError("");
  status.SetPayload(kSilentPayload, absl::Cord());
  return status;
}

bool IsSilentFailure(const absl::Status& status) {
  return status.GetPayload(kSilentPayload).has_value();
}

absl::Status WriteOut(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "writing to standard output");
    }
  }
  return absl::OkStatus();
}

}  // namespace eventhub::cli
