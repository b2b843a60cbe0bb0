// `eventhub health`: reports whether the hub serves, to people, scripts and container engines.
#include <poll.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/frame/command.h"
#include "client/cli/output/terminal.h"
#include "client/cli/run/interrupt.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kHealthExamples[] = R"(
Exits with 0 if the hub is serving, else with 1. There are two checks:

  --ready   Does it accept writes? With a full disk it does not, until space is free. The default;
            for load balancers, and to wait for the hub.
  --live    Does it run without needing a restart? A hub with a full disk is live; one that does not
            respond, or whose store failed, is not. For supervisors that restart the hub.

If disk space or memory is short, that is printed below the answer.

Other health checks ask grpc.health.v1.Health for the service "ready" (or none) and "live".

Examples:
  eventhub health
  eventhub health --wait=30s && echo up
  eventhub health --live --quiet || systemctl restart eventhub)";

constexpr absl::Duration kAskEvery = absl::Milliseconds(100);

struct HealthFlags {
  std::string service;
  bool live = false;
  bool ready = false;
  std::optional<absl::Duration> wait;
  bool quiet = false;
};

// Why the hub does not accept writes, and which of its memory is short, if it reports any of this.
std::vector<std::string> Shortages(const Context& context) {
  client::AdminClient admin(ConnectToHub(context),
                            {.timeout = context.timeout.value_or(absl::Seconds(3))});
  const absl::StatusOr<client::HubStats> stats = admin.GetStats();
  if (!stats.ok()) return {};
  std::vector<std::string> shortages;
  if (!stats->store_error.empty()) {
    shortages.push_back(absl::StrCat("writes are refused: ", stats->store_error));
  }
  for (const std::string& finding : stats->memory.findings) {
    shortages.push_back(absl::StrCat("memory is short: ", finding));
  }
  if (stats->lake) {
    for (const std::string& finding : stats->lake->findings) {
      shortages.push_back(absl::StrCat("the lake: ", finding));
    }
  }
  return shortages;
}

// Opens a new connection each time: a failed connection waits before it tries again.
absl::StatusOr<client::Health> Check(const Context& context, const HealthFlags& flags,
                                     Interrupt& interrupt) {
  const auto hub = ConnectToHub(context);
  interrupt.OnRaise([hub] { hub->CancelCalls(); });
  client::AdminClient admin(hub, {.timeout = context.timeout.value_or(absl::Seconds(3))});
  return admin.CheckHealth(flags.live ? "live" : flags.service);
}

absl::Status NotServing(const Context& context, const HealthFlags& flags) {
  std::vector<std::string> parts = Shortages(context);
  parts.insert(parts.begin(), flags.live ? "the hub needs a restart" : "the hub is not serving");
  return WithKnownOutcome(absl::UnavailableError(absl::StrJoin(parts, "; ")));
}

absl::Status Serving(const Context& context, const HealthFlags& flags) {
  std::string text = flags.live ? "live\n" : "serving\n";
  for (const std::string& shortage : Shortages(context)) {
    absl::StrAppend(&text, "  * ", Printable(shortage), "\n");
  }
  return WriteOut(text);
}

absl::Status Health(const Context& context, const HealthFlags& flags) {
  Interrupt interrupt;
  const absl::Duration give_up =
      Clock::System().Monotonic() + flags.wait.value_or(absl::ZeroDuration());
  const auto serving = [](const absl::StatusOr<client::Health>& health) {
    return health.ok() && *health == client::Health::kServing;
  };
  absl::StatusOr<client::Health> health = Check(context, flags, interrupt);
  while (!serving(health) && Clock::System().Monotonic() < give_up && !interrupt.raised()) {
    pollfd stop{interrupt.fd(), POLLIN, 0};
    poll(&stop, 1, static_cast<int>(absl::ToInt64Milliseconds(kAskEvery)));
    health = Check(context, flags, interrupt);
  }
  if (!serving(health) && interrupt.raised()) health = InterruptedError("interrupted");
  if (flags.quiet) return serving(health) ? absl::OkStatus() : SilentFailure();
  RETURN_IF_ERROR(health.status());
  if (!serving(health)) return NotServing(context, flags);
  return Serving(context, flags);
}

}  // namespace

void AddHealthCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddVerb(app, "health", "Check whether the hub is serving", kHealthExamples);
  const auto flags = std::make_shared<HealthFlags>();
  AddParsedOption(*command, "--wait", &flags->wait, ParseAge,
                  "Retry until it is, for at most this long", "DURATION");
  CLI::Option* live = command->add_flag("--live", flags->live,
                                        "Check whether it is alive: a restart would not help");
  CLI::Option* ready =
      command->add_flag("--ready", flags->ready, "Check whether it accepts writes (default)");
  CLI::Option* service =
      command->add_option("--service", flags->service, "Check one gRPC service instead of the hub")
          ->type_name("NAME");
  live->excludes(ready)->excludes(service);
  ready->excludes(service);
  command->add_flag("-q,--quiet", flags->quiet, "Print nothing");
  SetRun(*command, context, [&context, flags] { return Health(context, *flags); });
}

}  // namespace eventhub::cli
