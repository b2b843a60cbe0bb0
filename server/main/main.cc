// eventhubd, the hub's daemon.
//
// Exit codes: 0 after a shutdown by signal or a restore, 1 if the hub cannot start, restore or
// print, 2 if it was started wrongly.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "grpc/grpc.h"
#include "server/lake/restore/lake_restore.h"
#include "server/lake/store/watched_store.h"
#include "server/main/access_hint.h"
#include "server/main/config.h"
#include "server/main/descriptor_plan.h"
#include "server/main/flag_parser.h"
#include "server/main/logging.h"
#include "server/main/signals.h"
#include "server/rpc/allocator.h"
#include "server/rpc/server.h"
#include "spdlog/spdlog.h"
#include "storage/base/clock.h"
#include "storage/base/environment_names.h"
#include "storage/base/standard_streams.h"

namespace eventhub {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

// How long the work on disks and the lake may take to end after a signal, and, when the hub serves,
// after the drain. All of it can be interrupted: what was acknowledged is in the log, and the next
// start repeats the rest. With less --shutdown_grace it is as short, but not shorter than this.
constexpr absl::Duration kEndBound = absl::Seconds(10);
constexpr absl::Duration kShortestEndBound = absl::Seconds(1);

// How often the progress of a restore is reported.
constexpr absl::Duration kReportEvery = absl::Seconds(2);

constexpr char kHelp[] =
    R"(eventhubd - an event hub: partitioned, durable topics between services

Usage: eventhubd [--flag=value ...]

Examples:
  eventhubd --data_dir=/var/lib/eventhub
  eventhubd --data_dir=./data --listen=127.0.0.1:7070,unix:/run/eventhub.sock
  EVENTHUB_DATA_DIR=/data EVENTHUB_LOG_FORMAT=json eventhubd

A flag's value comes from the command line, else from its environment variable, else it is the
default shown. --flagfile=FILE reads flags from a file, one per line. SIGTERM shuts the hub down
gracefully.

A variable EVENTHUB_... that is not a setting of eventhubd or eventhub is an error, unless
Kubernetes sets it for a Service called eventhub.

Flags:
)";

// Writes to standard output. Returns the exit code.
int Print(const std::string& text) {
  const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (written) return 0;
  std::fprintf(stderr, "eventhubd: cannot write to standard output: %s\n", std::strerror(errno));
  return kExitFailure;
}

int FailUsage(const absl::Status& status) {
  std::fprintf(stderr, "eventhubd: %s\n", std::string(status.message()).c_str());
  return kExitUsage;
}

// Once logging is set up, errors go to the log, in its format.
int FailToServe(const std::string& message) {
  spdlog::error("{}", message);
  return kExitFailure;
}

bool WritePortFile(const std::string& path, const std::vector<std::string>& addresses) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << absl::StrJoin(addresses, "\n") << "\n";
  file.close();
  // Not a secret, and needed by clients of other users.
  chmod(temporary.c_str(), S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  return !file.fail() && std::rename(temporary.c_str(), path.c_str()) == 0;
}

absl::Duration EndBound(const Config& config) {
  return std::clamp(config.shutdown_grace, kShortestEndBound, kEndBound);
}

// Says what the process would still wait for. Returns the exit code.
int GiveUp(const lake::StoreCalls& calls, absl::string_view what, int exit_code) {
  const std::vector<std::string> left = calls.Describe();
  spdlog::warn("{} did not end in time; ends without waiting for: {}", std::string(what),
               left.empty() ? "work on the data directory" : absl::StrJoin(left, "; "));
  FlushLog();
  return exit_code;
}

int Restore(Config config) {
  Termination termination(EndBound(config), [calls = config.lake_calls] {
    return GiveUp(*calls, "the restore, which the same command continues,", kExitFailure);
  });
  LakeRestoreOptions options;
  options.lake = config.restore_from_lake;
  options.calls = config.lake_calls;
  options.broker = std::move(config.server.broker);
  options.broker.store.on_warning = [](const std::string& message) {
    spdlog::warn("RocksDB: {}", message);
  };
  const absl::Duration start = Clock::System().Monotonic();
  absl::Duration reported = start;
  options.progress = [start, &reported, &termination](const RestoreProgress& progress) {
    const absl::Duration now = Clock::System().Monotonic();
    if (now - reported >= kReportEvery && progress.total > 0) {
      reported = now;
      const double share =
          static_cast<double>(progress.events) / static_cast<double>(progress.total);
      spdlog::info("restored {} of {} events, {:.0f}%, about {} s left", progress.events,
                   progress.total, 100 * share,
                   absl::ToInt64Seconds((now - start) * (1 / std::max(share, 1e-9) - 1)));
    }
    return !termination.arrived();
  };
  const std::string directory = options.broker.store.directory;
  spdlog::info("restoring {} from {}", directory, options.lake);
  const absl::StatusOr<RestoreProgress> restored = RestoreFromLake(std::move(options));
  if (!restored.ok()) {
    return FailToServe(absl::StrCat(restored.status().message(), AccessHint(directory)));
  }
  spdlog::info("restored {} topics, {} events in {} s", restored->topics, restored->events,
               absl::ToInt64Seconds(Clock::System().Monotonic() - start));
  return 0;
}

int Serve(Config config) {
  const absl::Duration bound = EndBound(config);
  Termination termination(bound,
                          [calls = config.lake_calls] { return GiveUp(*calls, "the hub", 0); });
  config.server.broker.on_writable_change = [](const absl::Status& status) {
    if (status.ok()) {
      spdlog::info("writes are accepted again");
    } else {
      spdlog::error("writes are refused: {}", std::string(status.message()));
    }
  };
  config.server.broker.store.on_warning = [](const std::string& message) {
    spdlog::warn("RocksDB: {}", message);
  };
  config.server.broker.on_background_error = [](const absl::Status& status) {
    spdlog::error("{}", std::string(status.message()));
  };
  config.server.broker.on_clock_doubt = [](const absl::Status& doubt) {
    if (doubt.ok()) {
      spdlog::info("the system's clock is trusted");
    } else {
      spdlog::warn("{}", std::string(doubt.message()));
    }
  };
  config.server.broker.on_admin_change = [](const Caller& caller, absl::string_view what) {
    spdlog::info("{}, by {} from {}", std::string(what), caller.principal(), caller.peer());
  };
  config.server.broker.on_subscription_expired = [](absl::string_view name, absl::Time last_used) {
    spdlog::info("deleted the expired subscription {}: no consumer has been connected since {}",
                 std::string(name),
                 absl::FormatTime("%E4Y-%m-%dT%H:%M:%SZ", last_used, absl::UTCTimeZone()));
  };
  config.server.on_link_change = [](absl::string_view link, const absl::Status& status) {
    if (status.ok()) {
      spdlog::info("link {}: events are flowing", std::string(link));
    } else {
      spdlog::warn("link {}: {}", std::string(link), std::string(status.message()));
    }
  };
  config.server.archiver.report = [](absl::string_view topic, const absl::Status& status) {
    if (status.ok()) {
      spdlog::info("topic {}: events are archived again", std::string(topic));
    } else {
      spdlog::warn("topic {} is not archived: {}", std::string(topic),
                   std::string(status.message()));
    }
  };
  config.server.archiver.report_upkeep = [](const std::vector<std::string>& findings) {
    for (const std::string& finding : findings) spdlog::warn("lake: {}", finding);
    if (findings.empty()) spdlog::info("lake: nothing needs attention any more");
  };
  config.server.on_shed = [](size_t connections) {
    spdlog::warn("memory is short: closed {} connections to free it", connections);
  };
  config.server.on_memory_short = [limit = config.server.memory_limit](bool refused, size_t used) {
    if (!refused) {
      spdlog::info("memory suffices: new connections are admitted again");
      return;
    }
    spdlog::warn(
        "memory is short: the hub uses {} of {} MiB (--memory_limit), so new connections are "
        "refused, except for a few; `eventhub stats` shows what holds the memory. To free it, "
        "settle the events that consumers have, or delete subscriptions; or start the hub with a "
        "higher limit",
        used >> 20, limit >> 20);
  };
  const size_t descriptors = RaiseDescriptorLimit();
  const size_t wanted = config.server.connections.total;
  const absl::StatusOr<DescriptorPlan> plan = DescriptorPlan::For(descriptors, wanted);
  if (!plan.ok()) return FailToServe(std::string(plan.status().message()));
  config.server.broker.store.max_open_files = plan->store_files;
  config.server.connections.total = plan->connections;
  // A larger total is not the limit that a client reaches first.
  if (plan->connections < std::min(wanted, config.server.connections.per_peer)) {
    spdlog::warn("serving at most {} connections at a time: the process may open {} descriptors",
                 plan->connections, descriptors);
  }
  const std::string directory = config.server.broker.store.directory;
  spdlog::info("eventhubd {} opens {}", config.server.version, directory);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(config.server));
  if (!server.ok()) {
    return FailToServe(absl::StrCat(server.status().message(), AccessHint(directory)));
  }
  spdlog::info("serving on {}", absl::StrJoin((*server)->addresses(), ", "));
  for (const std::string& address : (*server)->unprotected_addresses()) {
    spdlog::warn(
        "{} is unprotected: anyone who can connect may read, publish and delete; --tls_cert, "
        "--tls_key and --tls_client_ca restrict access to clients with a certificate",
        address);
  }
  if (!config.port_file.empty() && !WritePortFile(config.port_file, (*server)->addresses())) {
    return FailToServe("cannot write " + config.port_file);
  }
  const int signal = termination.Await();
  spdlog::info("{}: shutting down", strsignal(signal));
  termination.EndWithin(config.shutdown_grace + bound);
  (*server)->Shutdown(config.shutdown_grace);
  termination.EndWithin(bound);
  server->reset();
  spdlog::info("done");
  return 0;
}

int Main(const std::vector<std::string>& arguments) {
  const absl::StatusOr<ParsedFlags> flags = ParseFlags(arguments, kEnvironmentPrefix);
  if (!flags.ok()) return FailUsage(flags.status());
  if (flags->action == ParsedAction::kHelp) {
    return Print(kHelp + DescribeFlags(kEnvironmentPrefix));
  }
  if (flags->action == ParsedAction::kVersion) {
    return Print(absl::StrCat("eventhubd ", EVENTHUB_VERSION, "\n"));
  }
  if (const absl::Status known = CheckEnvironment(environ); !known.ok()) return FailUsage(known);
  absl::StatusOr<Config> config = ConfigFromFlags();
  if (!config.ok()) return FailUsage(WithNameAsGiven(config.status(), *flags));
  TuneAllocator(config->server.memory_limit);
  SetUpLogging(config->log_format, config->log_level);
  if (!config->restore_from_lake.empty()) return Restore(*std::move(config));
  return Serve(*std::move(config));
}

}  // namespace
}  // namespace eventhub

int main(int argc, char** argv) {
  // Events are private to the hub's user; files for other users get their permissions explicitly.
  umask(S_IRWXG | S_IRWXO);
  eventhub::ReserveStandardStreams();
  eventhub::BlockTerminationSignals();
  // Never shut down: the last grpc_shutdown() may wait for seconds for a thread that sleeps in a
  // poll.
  grpc_init();
  return eventhub::Main(std::vector<std::string>(argv + 1, argv + argc));
}
