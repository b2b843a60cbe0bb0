// The command line `eventhub`. Each group of subcommands has its own file.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/frame/command.h"
#include "client/cli/frame/help.h"
#include "client/cli/frame/hub_address.h"
#include "client/cli/frame/usage.h"
#include "client/cli/input/units.h"
#include "client/cli/output/terminal.h"
#include "client/cli/run/hub_watch.h"
#include "eventhub/error.h"
#include "storage/base/environment_names.h"
#include "storage/base/standard_streams.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr int kInterrupted = 130;  // 128 + SIGINT.

constexpr char kExamples[] = R"(
Examples:
  eventhub topics create orders --partitions=8 --max-age=30d
  echo 'hello' | eventhub publish orders
  eventhub read orders --follow
  eventhub publish orders --input=json events.jsonl
  eventhub subscriptions create billing --topic=orders --kind=queue
  eventhub consume billing --exec=./bill
  eventhub subscriptions describe billing
  eventhub routes create eu --from=orders --to=orders.eu --filter="subject LIKE 'eu/%'"
  eventhub apply -f topology.yaml --dry-run
  eventhub stats
  eventhub publish --help            every command has examples

Environment: EVENTHUB_ADDRESS and EVENTHUB_TLS_... set the options above. Any other variable
EVENTHUB_... that is not a setting of eventhubd is an error, except those that Kubernetes sets for a
Service called eventhub.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.)";

// The environment variables are those of the daemon's equivalent flags, so that one environment
// serves both.
void AddTlsOptions(CLI::App& app, Context& context) {
  app.add_flag("--tls", context.use_tls, "Use TLS; implied by the options below")
      ->envname("EVENTHUB_TLS");
  const auto text = [&app](const char* name, std::string* value, const char* variable,
                           const char* type, const char* description) {
    app.add_option(name, *value, description)->envname(variable)->type_name(type);
  };
  client::TlsOptions& tls = context.tls;
  text("--tls-ca", &tls.ca_file, "EVENTHUB_TLS_CA", "FILE",
       "Certificate authorities to verify the hub with (default: those of the system)");
  text("--tls-cert", &tls.certificate_file, "EVENTHUB_TLS_CERT", "FILE",
       "The client certificate, if the hub asks for one");
  text("--tls-key", &tls.key_file, "EVENTHUB_TLS_KEY", "FILE",
       "The private key of the certificate");
  text("--tls-server-name", &tls.server_name, "EVENTHUB_TLS_SERVER_NAME", "NAME",
       "The name in the hub's certificate (default: the host of the address)");
}

void AddGlobalOptions(CLI::App& app, Context& context) {
  app.add_option("-a,--address", context.address, "The hub: host:port, or unix:/path")
      ->envname("EVENTHUB_ADDRESS")
      ->type_name("ADDRESS")
      ->capture_default_str();
  AddTlsOptions(app, context);
  AddParsedOption(app, "--timeout", &context.timeout, ParseAge,
                  "How long to try, including the wait for the hub", "DURATION");
  app.set_version_flag("--version", "eventhub " EVENTHUB_VERSION);
}

void PrintError(absl::string_view message) {
  const std::string line = absl::StrReplaceAll(absl::StripAsciiWhitespace(message),
                                               {{"\r\n", "; "}, {"\n", "; "}, {"\r", "; "}});
  std::fprintf(stderr, "eventhub: %s\n", Printable(line).c_str());
}

int ReportUsage(const CLI::App& app, absl::string_view message) {
  std::string command = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    absl::StrAppend(&command, " ", at->get_name());
  }
  PrintError(absl::StrCat(message, " (try: ", command, " --help)"));
  return kUsage;
}

// Returns the likely cause of a failed connection; empty if unknown.
absl::string_view ConnectionHint(const Context& context, absl::string_view message) {
  if (!IsConnectionError(message)) return "";
  if (absl::StrContains(message, "Connection refused") ||
      absl::StrContains(message, "No such file")) {
    return "; is eventhubd running there?";
  }
  // If only one side uses TLS, neither side can detect it.
  if (absl::StrContains(message, "Socket closed") || absl::StrContains(message, "reset by peer")) {
    return UsesTls(context)
               ? "; does it ask for a certificate? See --tls-cert. Or it is short of memory: see "
                 "its log"
               : "; does it talk TLS? See --tls-ca. Or it is short of memory: see its log";
  }
  const bool plain = absl::StrContains(message, "wrong version number");
  return plain ? "; it talks plain text there, not TLS" : "";
}

// Returns the chosen command, inside its groups.
const CLI::App& ChosenCommand(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

// Suggests what to do about an error; empty if unknown.
std::string NextStep(const CLI::App& command, const absl::Status& status) {
  const bool needs_topic = command.get_name() == "publish" || command.get_name() == "read";
  const bool no_topic = absl::IsNotFound(status) && absl::StrContains(status.message(), "topic ") &&
                        absl::StrContains(status.message(), "does not exist");
  return needs_topic && no_topic ? "; see: eventhub topics create --help" : "";
}

// Whether the command itself reports the outcome of its requests.
bool TellsOutcome(const CLI::App& command) {
  constexpr absl::string_view kThose[] = {"bench", "consume", "publish", "read"};
  return std::find(std::begin(kThose), std::end(kThose), command.get_name()) != std::end(kThose);
}

// Whether the command only makes unary calls, which wait for the hub silently. Other commands stay
// connected and report failures themselves.
bool WaitsInSilence(const CLI::App& command) {
  // These look into a directory, or show themselves that they wait.
  const CLI::App* const group = command.get_parent();
  if (group != nullptr && (group->get_name() == "outbox" || group->get_name() == "lake"))
    return false;
  constexpr absl::string_view kOthers[] = {"consume", "eval", "health", "publish", "read"};
  return std::find(std::begin(kOthers), std::end(kOthers), command.get_name()) == std::end(kOthers);
}

HubWatch::Probe ProbeOf(const Context& context) {
  return [&context, hub = std::shared_ptr<client::Connection>()]() mutable {
    if (hub == nullptr) hub = ConnectToHub(context);
    return hub->health().CheckHealth("", absl::Seconds(1)).status();
  };
}

// Returns a usage error that names the option or variable if the TLS settings are not usable.
absl::Status CheckTls(const CLI::App& app, const Context& context) {
  const client::TlsOptions& tls = context.tls;
  const auto name = [&app](const char* option) { return NameAsGiven(*app.get_option(option)); };
  const auto named = [](const std::string& names, const absl::Status& status) {
    return status.ok() ? status : UsageError(absl::StrCat(names, ": ", status.message()));
  };
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    return UsageError(
        tls.key_file.empty()
            ? absl::StrCat(name("--tls-cert"), " needs a key; see --tls-key")
            : absl::StrCat(name("--tls-key"), " needs a certificate; see --tls-cert"));
  }
  RETURN_IF_ERROR(named(name("--tls-ca"), client::CheckTls({.ca_file = tls.ca_file})));
  return named(
      absl::StrCat(name("--tls-cert"), ", ", name("--tls-key")),
      client::CheckTls({.certificate_file = tls.certificate_file, .key_file = tls.key_file}));
}

absl::Status RunWatched(const CLI::App& app, const Context& context) {
  if (const absl::Status address = CheckAddress(context.address); !address.ok()) {
    return UsageError(
        absl::StrCat(NameAsGiven(*app.get_option("--address")), ": ", address.message()));
  }
  RETURN_IF_ERROR(CheckTls(app, context));
  std::optional<HubWatch> watch;
  if (isatty(STDERR_FILENO) == 1 && WaitsInSilence(ChosenCommand(app))) {
    watch.emplace(context.address, ProbeOf(context));
  }
  return context.run();
}

// Prints the error and returns the exit code.
int Fail(const CLI::App& app, const Context& context, const absl::Status& status) {
  if (IsUsageError(status)) return ReportUsage(app, status.message());
  if (IsSilentFailure(status)) return SilentFailureCode(status);
  if (IsInterrupted(status)) {
    PrintError(status.message());
    return kInterrupted;
  }
  const bool unreachable = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  // Those of the hub carry details; this is gRPC's, which does not find the method there.
  if (absl::IsUnimplemented(status) && !client::GetErrorInfo(status).has_value()) {
    PrintError(
        absl::StrCat("hub at ", context.address,
                     ": it does not know what this command asks for, so it is older than the "
                     "command: upgrade the hub (UNIMPLEMENTED)"));
    return kFailure;
  }
  const bool in_doubt = client::OutcomeIsUnknown(status) && !HasKnownOutcome(status) &&
                        !TellsOutcome(ChosenCommand(app));
  std::string hub;
  if (unreachable) {
    absl::StrAppend(&hub, "hub at ", context.address);
    if (IsConnectionError(status.message())) {
      absl::StrAppend(&hub, " (", NameAsGiven(*app.get_option("--address")), ")");
    }
    absl::StrAppend(&hub, ": ");
  }
  PrintError(absl::StrCat(hub, ExplainConnectionError(status.message()),
                          unreachable ? ConnectionHint(context, status.message()) : "", " (",
                          absl::StatusCodeToString(status.code()), ")",
                          NextStep(ChosenCommand(app), status),
                          in_doubt ? "; it may have been done" : ""));
  return kFailure;
}

// Adds the groups of --help in the order in which a newcomer needs them.
void AddCommands(CLI::App& app, Context& context) {
  const auto add = [&](const char* group, std::vector<void (*)(CLI::App&, Context&)> commands) {
    for (const auto command : commands) {
      command(app, context);
      app.get_subcommands([](const CLI::App*) { return true; }).back()->group(group);
    }
  };
  add("Events",
      {AddPublishCommand, AddReadCommand, AddTraceCommand, AddDelayedCommand, AddFilterCommand,
       AddOutboxCommand, AddLakeCommand, AddEraseCommand, AddErasuresCommand});
  add("Topology",
      {AddTopicsCommand, AddRoutesCommand, AddLinksCommand, AddApplyCommand, AddExportCommand});
  add("Subscriptions", {AddSubscriptionsCommand, AddConsumeCommand, AddFaultsCommand});
  add("The hub", {AddStatsCommand, AddHealthCommand, AddClockCommand, AddBenchCommand});
}

int Main(int argc, char** argv) {
  ReserveStandardStreams();
  // gRPC's own messages on stderr would only repeat what the command reports.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // How often gRPC polls a connection that no call waits for. Its default, 5 s, delays the notice
  // that a hub is back.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50", /*overwrite=*/0);

  Context context;
  CLI::App app("Publishes to, reads from and administers an event hub.", "eventhub");
  app.formatter(std::make_shared<HelpFormatter>(HelpWidth()));  // Commands inherit it.
  app.footer(kExamples);
  app.require_subcommand(1);
  app.fallthrough();
  AddGlobalOptions(app, context);
  AddCommands(app, context);
  try {
    std::vector<std::string> words = CommandLineWords(app, argc, argv);
    // The library pops words from the end.
    std::reverse(words.begin(), words.end());
    app.parse(std::move(words));
  } catch (const CLI::Success& help_or_version) {
    // The library omits the last newline.
    std::ostringstream text;
    const int code = app.exit(help_or_version, text);
    const absl::Status written =
        WriteOut(absl::StrCat(absl::StripTrailingAsciiWhitespace(text.str()), "\n"));
    return written.ok() ? code : Fail(app, context, written);
  } catch (const CLI::ParseError& error) {
    return ReportUsage(app, ExplainParseError(app, error));
  }
  if (const absl::Status known = CheckEnvironment(environ); !known.ok()) {
    PrintError(known.message());
    return kUsage;
  }
  const absl::Status status = RunWatched(app, context);
  return status.ok() ? EXIT_SUCCESS : Fail(app, context, status);
}

}  // namespace
}  // namespace eventhub::cli

int main(int argc, char** argv) { return eventhub::cli::Main(argc, argv); }
