#include "server/main/config.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/lake/archive/lake_archive.h"
#include "server/lake/archive/lake_history.h"
#include "server/lake/store/open_store.h"
#include "server/main/machine_memory.h"
#include "server/main/master_key_source.h"
#include "server/main/memory_plan.h"
#include "storage/base/status_macros.h"

namespace eventhub {

// A size as people write it: "256MiB", "10GB", "4096".
struct Bytes {
  uint64_t value = 0;
};

bool AbslParseFlag(absl::string_view text, Bytes* bytes, std::string* error) {
  static constexpr struct {
    const char* suffix;
    uint64_t factor;
  } kUnits[] = {{"KiB", 1ull << 10},
                {"MiB", 1ull << 20},
                {"GiB", 1ull << 30},
                {"TiB", 1ull << 40},
                {"kB", 1'000},
                {"MB", 1'000'000},
                {"GB", 1'000'000'000},
                {"TB", 1'000'000'000'000},
                {"B", 1},
                {"", 1}};
  for (const auto& unit : kUnits) {
    absl::string_view number = text;
    if (!absl::ConsumeSuffix(&number, unit.suffix)) continue;
    uint64_t value;
    if (!absl::SimpleAtoi(number, &value) || value > UINT64_MAX / unit.factor) break;
    bytes->value = value * unit.factor;
    return true;
  }
  *error = absl::StrCat("'", text, "' is not a size such as 4096, 256MiB or 10GB");
  return false;
}

std::string AbslUnparseFlag(Bytes bytes) {
  for (const auto& [suffix, shift] : {std::pair("GiB", 30), {"MiB", 20}, {"KiB", 10}}) {
    const uint64_t unit = 1ull << shift;
    if (bytes.value >= unit && bytes.value % unit == 0) {
      return absl::StrCat(bytes.value / unit, suffix);
    }
  }
  return absl::StrCat(bytes.value);
}

}  // namespace eventhub

using eventhub::Bytes;

ABSL_FLAG(std::string, data_dir, "/data",
          "The data directory; created if missing. Only one hub at a time may use it.");
ABSL_FLAG(std::vector<std::string>, listen, std::vector<std::string>({"127.0.0.1:7070"}),
          "Comma-separated addresses to listen on: HOST:PORT (port 0: any free port) or unix:PATH. "
          "Anyone who can connect has full access, unless --tls_client_ca is set.");
ABSL_FLAG(std::string, tls_cert, "",
          "PEM file with the hub's certificate and the rest of its chain. Network addresses then "
          "accept only TLS. Reloaded when it changes, like the other TLS files.");
ABSL_FLAG(std::string, tls_key, "",
          "PEM file with the private key of --tls_cert, without a passphrase.");
ABSL_FLAG(std::string, tls_client_ca, "",
          "PEM file with certificate authorities: only clients with a certificate issued by one of "
          "them are accepted.");
ABSL_FLAG(std::string, tls_ca, "",
          "PEM file with the certificate authorities that links accept for other hubs. Default: "
          "those of --tls_client_ca, or else the system's.");
ABSL_FLAG(std::string, port_file, "",
          "File to which the hub writes its addresses, one per line, once it serves.");
ABSL_FLAG(std::string, log_format, "text", "Log format, text or json. The log goes to stderr.");
ABSL_FLAG(std::string, log_level, "info", "Lowest level to log: debug, info, warn, error.");
ABSL_FLAG(
    Bytes, memory_limit, Bytes{0},
    "Maximum memory of the hub. 0: three quarters of the limit of its control group (cgroup), "
    "or half of the machine's memory. It is divided into shares for the state that clients "
    "cause; requests that exceed a share are delayed or refused.");
ABSL_FLAG(Bytes, tail_cache, Bytes{0},
          "Memory for the newest events of all topics; it serves readers near the end of the log. "
          "0: a 16th of --memory_limit, at most 256MiB.");
ABSL_FLAG(Bytes, write_buffer, Bytes{0},
          "Size of each of the store's write buffers, of which there are up to four. 0: a 32nd of "
          "--memory_limit, at most 64MiB.");
ABSL_FLAG(
    Bytes, max_log, Bytes{512ull << 20},
    "Maximum size of the write-ahead log, which is replayed after a crash; bounds the time to "
    "start.");
ABSL_FLAG(Bytes, max_request, Bytes{4ull << 20},
          "Maximum size of a request, and thus of an event, in addition to its topic's limit.");
ABSL_FLAG(Bytes, max_in_flight, Bytes{0},
          "Maximum bytes of requests waiting to be committed or answered, over all connections. 0: "
          "an eighth of --memory_limit, at most 256MiB.");
ABSL_FLAG(Bytes, max_in_flight_per_connection, Bytes{0},
          "The same per connection. 0: an eighth of --max_in_flight.");
ABSL_FLAG(
    int, max_partitions, 0,
    "Maximum number of partitions of all topics together. A subscription counts as many as its "
    "topic, and each topic and subscription counts four more. 0: as many as fit into three 32nds "
    "of --memory_limit, at 512 bytes each.");
ABSL_FLAG(
    int, max_connections, 10'000,
    "Maximum number of concurrent connections; further ones are closed. Lower if the process may "
    "not open enough file descriptors: two per connection, in addition to the store's.");
ABSL_FLAG(int, max_connections_per_peer, 2'000,
          "The same per client host. All connections through a proxy, or over unix sockets, count "
          "as one host.");
ABSL_FLAG(
    int, max_streams, 0,
    "Maximum number of concurrent streams (readers, consumers, publishers). A host may not open "
    "more than are left for others. 0: as many as fit into a 16th of --memory_limit, at 20KiB "
    "each.");
ABSL_FLAG(Bytes, min_free_disk, Bytes{256ull << 20},
          "Publishing is refused while less than this is free on the disk.");
ABSL_FLAG(
    std::string, lake, "",
    "The event lake, in which the events of all topics are archived, except those with "
    "--archive=off: a directory, created if missing, but not its parent; or a bucket of a service "
    "that speaks S3, s3://BUCKET/PREFIX?endpoint=URL&region=NAME. Only one hub at a time may use "
    "it. Empty: no lake.");
ABSL_FLAG(absl::Duration, lake_flush_interval, absl::Seconds(60),
          "How long an event waits at most until it is archived; 64MiB of a topic do not wait.");
ABSL_FLAG(
    Bytes, lake_max_lag, Bytes{10ull << 30},
    "How much of a topic is kept beyond its retention because the lake does not have it yet.");
ABSL_FLAG(absl::Duration, lake_max_lag_age, absl::ZeroDuration(),
          "How old such events may become. 0: without limit.");
ABSL_FLAG(
    std::string, lake_when_behind, "refuse",
    "What happens to a topic beyond --lake_max_lag or --lake_max_lag_age: refuse (it takes no "
    "more events) or drop (its oldest events are deleted, and the lake never has them).");
ABSL_FLAG(bool, lake_takeover, false,
          "Use the lake although another hub used it last, which must not run any more: after a "
          "hub was set up anew.");
ABSL_FLAG(
    std::string, erasure_master_key_file, "",
    "File with the master keys that protect the keys of erasable topics: 64 hexadecimal digits "
    "a line, as `openssl rand -hex 32` prints them. The first line is the present key; others "
    "are former ones, needed until `eventhub erasures rewrap`. Without its keys, the hub does not "
    "start once it has sealed data.");
ABSL_FLAG(std::string, erasure_master_key_command, "",
          "The same, printed by this command, which a shell runs when the hub starts.");
ABSL_FLAG(
    std::string, erasure_topic, "",
    "Publish each erasure to this topic, as an event of the type eventhub.subject.erased with "
    "the subject as its attribute datasubject, for services that keep data of their own. The "
    "topic must exist; otherwise nothing is erased. Empty: erasures are recorded only.");
ABSL_FLAG(std::string, restore_from_lake, "",
          "Do not serve: set up the data directory, which must be empty, from this lake, and exit. "
          "If it is interrupted, start it again. A data directory that is a backup of the hub that "
          "wrote the lake gets the events that it lacks.");
ABSL_FLAG(Bytes, lake_rate, Bytes{0},
          "How much is archived per second, over all topics. 0: without limit.");
ABSL_FLAG(int, lake_read_threads, 4,
          "Threads that read from the lake for readers of events that retention has deleted here.");
ABSL_FLAG(bool, lake_merge, true,
          "Merge the small objects of an hour, once it is over, into objects of 64MiB of lines.");
ABSL_FLAG(Bytes, lake_merge_rate, Bytes{16ull << 20},
          "How much is merged per second, before compression. 0: without limit.");
ABSL_FLAG(absl::Duration, lake_merge_grace, absl::Hours(1),
          "How long the files of merged objects stay for readers that still use them.");
ABSL_FLAG(int, disk_threads, 4, "Threads that read from disk for readers that have fallen behind.");
ABSL_FLAG(absl::Duration, retention_interval, absl::Seconds(30),
          "How often topics are trimmed to their retention.");
ABSL_FLAG(absl::Duration, compaction_interval, absl::Seconds(10),
          "How often superseded events are looked for in topics that keep the latest per key.");
ABSL_FLAG(absl::Duration, producer_expiry, absl::Hours(7 * 24),
          "Idempotent producers that are idle for this long are forgotten.");
ABSL_FLAG(absl::Duration, shutdown_grace, absl::Seconds(10),
          "How long a shutdown waits for calls in progress before it cancels them. Afterwards it "
          "waits as long again, 1 s to 10 s, for the disk and the lake.");
ABSL_FLAG(bool, drop_after_damage, false,
          "Start in spite of a damaged write-ahead log, and drop everything after the damage. "
          "Loses acknowledged events; the last resort when there is no other copy.");

namespace eventhub {
namespace {

absl::Status Invalid(absl::string_view flag, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", problem));
}

absl::Status CheckListen(const std::vector<std::string>& addresses) {
  if (addresses.empty()) return Invalid("listen", "names no address");
  for (const std::string& address : addresses) {
    if (absl::StartsWith(address, "unix:") && address.size() > 5) continue;
    int port = -1;
    const size_t colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0 ||
        !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 || port > 65535) {
      return Invalid("listen", absl::StrCat("'", address, "' is neither HOST:PORT nor unix:PATH"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAtLeast(absl::string_view flag, Bytes value, uint64_t least) {
  if (value.value >= least) return absl::OkStatus();
  return Invalid(flag, absl::StrCat("must be at least ", AbslUnparseFlag(Bytes{least})));
}

// For a flag whose value 0 stands for a share of the memory limit.
absl::Status CheckPart(absl::string_view flag, Bytes value, uint64_t least) {
  return value.value == 0 ? absl::OkStatus() : CheckAtLeast(flag, value, least);
}

absl::Status CheckCount(absl::string_view flag, int value) {
  if (value > 0) return absl::OkStatus();
  return Invalid(flag, "must be at least 1");
}

absl::Status CheckPositive(absl::string_view flag, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return Invalid(flag, "must be more than 0");
}

absl::Status CheckOneOf(absl::string_view flag, const std::string& value,
                        const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return absl::OkStatus();
  return Invalid(flag, absl::StrCat("'", value, "' is none of ", absl::StrJoin(allowed, ", ")));
}

absl::Status CheckTlsFlags() {
  const bool certificate = !absl::GetFlag(FLAGS_tls_cert).empty();
  if (certificate != !absl::GetFlag(FLAGS_tls_key).empty()) {
    return certificate ? Invalid("tls_cert", "needs --tls_key")
                       : Invalid("tls_key", "needs --tls_cert");
  }
  if (!certificate && !absl::GetFlag(FLAGS_tls_client_ca).empty()) {
    return Invalid("tls_client_ca", "needs --tls_cert and --tls_key");
  }
  return absl::OkStatus();
}

absl::Status CheckFlags() {
  constexpr uint64_t kMiB = 1ull << 20;
  if (absl::GetFlag(FLAGS_data_dir).empty()) return Invalid("data_dir", "is empty");
  RETURN_IF_ERROR(CheckListen(absl::GetFlag(FLAGS_listen)));
  RETURN_IF_ERROR(CheckTlsFlags());
  RETURN_IF_ERROR(CheckOneOf("log_format", absl::GetFlag(FLAGS_log_format), {"text", "json"}));
  RETURN_IF_ERROR(
      CheckOneOf("log_level", absl::GetFlag(FLAGS_log_level), {"debug", "info", "warn", "error"}));
  RETURN_IF_ERROR(CheckPart("memory_limit", absl::GetFlag(FLAGS_memory_limit), 128 * kMiB));
  RETURN_IF_ERROR(CheckPart("write_buffer", absl::GetFlag(FLAGS_write_buffer), kMiB));
  if (absl::GetFlag(FLAGS_max_partitions) < 0) return Invalid("max_partitions", "is negative");
  if (absl::GetFlag(FLAGS_max_streams) < 0) return Invalid("max_streams", "is negative");
  RETURN_IF_ERROR(CheckCount("max_connections", absl::GetFlag(FLAGS_max_connections)));
  RETURN_IF_ERROR(
      CheckCount("max_connections_per_peer", absl::GetFlag(FLAGS_max_connections_per_peer)));
  RETURN_IF_ERROR(CheckAtLeast("max_log", absl::GetFlag(FLAGS_max_log), kMiB));
  RETURN_IF_ERROR(CheckAtLeast("max_request", absl::GetFlag(FLAGS_max_request), 1024));
  if (absl::GetFlag(FLAGS_max_request).value > 1024 * kMiB) {
    return Invalid("max_request", "must be at most 1GiB");
  }
  RETURN_IF_ERROR(CheckPart("max_in_flight", absl::GetFlag(FLAGS_max_in_flight), kMiB));
  RETURN_IF_ERROR(CheckPart("max_in_flight_per_connection",
                            absl::GetFlag(FLAGS_max_in_flight_per_connection), kMiB));
  if (absl::GetFlag(FLAGS_disk_threads) < 1 || absl::GetFlag(FLAGS_disk_threads) > 256) {
    return Invalid("disk_threads", "must be 1 to 256");
  }
  if (absl::GetFlag(FLAGS_lake_read_threads) < 1 || absl::GetFlag(FLAGS_lake_read_threads) > 256) {
    return Invalid("lake_read_threads", "must be 1 to 256");
  }
  if (absl::GetFlag(FLAGS_shutdown_grace) < absl::ZeroDuration()) {
    return Invalid("shutdown_grace", "must be 0 or more");
  }
  if (const std::string lake = absl::GetFlag(FLAGS_lake); !lake.empty()) {
    const absl::Status valid = lake::CheckStoreLocation(lake);
    if (!valid.ok()) return Invalid("lake", valid.message());
  }
  RETURN_IF_ERROR(CheckPositive("lake_flush_interval", absl::GetFlag(FLAGS_lake_flush_interval)));
  RETURN_IF_ERROR(CheckAtLeast("lake_max_lag", absl::GetFlag(FLAGS_lake_max_lag), kMiB));
  if (absl::GetFlag(FLAGS_lake_max_lag_age) < absl::ZeroDuration()) {
    return Invalid("lake_max_lag_age", "must be 0 or more");
  }
  RETURN_IF_ERROR(CheckPart("lake_rate", absl::GetFlag(FLAGS_lake_rate), kMiB));
  RETURN_IF_ERROR(CheckPart("lake_merge_rate", absl::GetFlag(FLAGS_lake_merge_rate), kMiB));
  if (absl::GetFlag(FLAGS_lake_merge_grace) < absl::ZeroDuration()) {
    return Invalid("lake_merge_grace", "must be 0 or more");
  }
  RETURN_IF_ERROR(
      CheckOneOf("lake_when_behind", absl::GetFlag(FLAGS_lake_when_behind), {"refuse", "drop"}));
  RETURN_IF_ERROR(CheckPositive("retention_interval", absl::GetFlag(FLAGS_retention_interval)));
  RETURN_IF_ERROR(CheckPositive("compaction_interval", absl::GetFlag(FLAGS_compaction_interval)));
  return CheckPositive("producer_expiry", absl::GetFlag(FLAGS_producer_expiry));
}

absl::StatusOr<MasterKeys> MasterKeysFromFlags() {
  const std::string file = absl::GetFlag(FLAGS_erasure_master_key_file);
  const std::string command = absl::GetFlag(FLAGS_erasure_master_key_command);
  if (!file.empty() && !command.empty()) {
    return Invalid("erasure_master_key_command", "excludes --erasure_master_key_file");
  }
  absl::StatusOr<MasterKeys> keys;
  if (!file.empty()) {
    keys = ReadMasterKeyFile(file);
  } else if (!command.empty()) {
    keys = RunMasterKeyCommand(command);
  } else {
    return MasterKeys();
  }
  if (keys.ok()) return keys;
  return Invalid(file.empty() ? "erasure_master_key_command" : "erasure_master_key_file",
                 keys.status().message());
}

// What people find this hub by.
std::string DescribeHost(const std::vector<std::string>& addresses) {
  char host[HOST_NAME_MAX + 1] = "";
  if (gethostname(host, sizeof(host) - 1) != 0) return absl::StrJoin(addresses, ", ");
  return absl::StrCat(host, ", ", absl::StrJoin(addresses, ", "));
}

void ConfigureLake(ServerOptions& server) {
  ArchiveLagLimits& lag = server.broker.maintenance->retention.archive_lag;
  lag.bytes = absl::GetFlag(FLAGS_lake_max_lag).value;
  const absl::Duration age = absl::GetFlag(FLAGS_lake_max_lag_age);
  if (age > absl::ZeroDuration()) lag.age = age;
  lag.drop = absl::GetFlag(FLAGS_lake_when_behind) == "drop";
  const std::string location = absl::GetFlag(FLAGS_lake);
  if (location.empty()) return;
  server.broker.archive = ArchiveOptions{
      .location = location, .schedule = {.interval = absl::GetFlag(FLAGS_lake_flush_interval)}};
  server.lake_read_threads = absl::GetFlag(FLAGS_lake_read_threads);
  server.archiver.settings_interval = absl::GetFlag(FLAGS_lake_flush_interval);
  server.archiver.bytes_per_second = absl::GetFlag(FLAGS_lake_rate).value;
}

// How objects are merged, in `memory` bytes.
LakeMergerOptions MergerOptions(size_t memory) {
  // What an event of a merged object takes: its keys.
  constexpr uint64_t kMergedEventBytes = 24;
  LakeMergerOptions options;
  options.topic.merge.frame_memory = memory / 8 * 5;
  options.topic.limits.events = memory / 8 * 3 / kMergedEventBytes;
  options.topic.grace = absl::GetFlag(FLAGS_lake_merge_grace);
  options.bytes_per_second = absl::GetFlag(FLAGS_lake_merge_rate).value;
  return options;
}

void ConfigureLakeTarget(ServerOptions& server, size_t merge_bytes,
                         std::shared_ptr<lake::StoreCalls> calls) {
  if (!server.broker.archive.has_value()) return;
  const std::string location = server.broker.archive->location;
  LakeArchiveOptions options{.hub = "",
                             .description = DescribeHost(server.listen),
                             .takeover = absl::GetFlag(FLAGS_lake_takeover),
                             .drops = absl::GetFlag(FLAGS_lake_when_behind) == "drop",
                             .calls = std::move(calls)};
  if (absl::GetFlag(FLAGS_lake_merge)) options.merger = MergerOptions(merge_bytes);
  server.open_lake = [location, options](const std::string& hub_id, const Clock& clock,
                                         MemoryMeter& history) -> absl::StatusOr<OpenedLake> {
    LakeArchiveOptions ours = options;
    ours.hub = hub_id;
    OpenedLake lake;
    ASSIGN_OR_RETURN(lake.target, LakeArchive::Open(location, std::move(ours), clock));
    ASSIGN_OR_RETURN(lake.history, LakeHistory::Open(location, hub_id, history, options.calls));
    return lake;
  };
}

// Divides the limit into shares, except those set by flags.
absl::Status PlanMemory(ServerOptions& server, std::shared_ptr<lake::StoreCalls> lake_calls) {
  const uint64_t wanted = absl::GetFlag(FLAGS_memory_limit).value;
  MemoryPlan plan = MemoryPlan::For(wanted != 0 ? wanted : DefaultMemoryLimit(ThisMachine()),
                                    server.broker.archive.has_value());
  const auto take = [](Bytes flag, size_t* share) {
    if (flag.value != 0) *share = flag.value;
  };
  take(absl::GetFlag(FLAGS_tail_cache), &plan.tail_cache);
  take(absl::GetFlag(FLAGS_write_buffer), &plan.write_buffer);
  take(absl::GetFlag(FLAGS_max_in_flight), &plan.in_flight);
  if (plan.Sum() > plan.limit) {
    return Invalid("memory_limit",
                   absl::StrCat(AbslUnparseFlag(Bytes{plan.limit}), " is less than the ",
                                AbslUnparseFlag(Bytes{plan.Sum()}),
                                " that --tail_cache, --write_buffer, --max_in_flight and the rest "
                                "may take together"));
  }
  plan.in_flight_per_connection = plan.in_flight / 8;
  take(absl::GetFlag(FLAGS_max_in_flight_per_connection), &plan.in_flight_per_connection);
  plan.ApplyTo(server);
  ConfigureLakeTarget(server, plan.merge, std::move(lake_calls));
  const int partitions = absl::GetFlag(FLAGS_max_partitions);
  if (partitions != 0) server.broker.max_partitions = static_cast<size_t>(partitions);
  const int streams = absl::GetFlag(FLAGS_max_streams);
  if (streams != 0) server.max_streams = static_cast<size_t>(streams);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> ConfigFromFlags() {
  RETURN_IF_ERROR(CheckFlags());
  Config config;
  config.shutdown_grace = absl::GetFlag(FLAGS_shutdown_grace);
  config.log_format = absl::GetFlag(FLAGS_log_format);
  config.log_level = absl::GetFlag(FLAGS_log_level);
  config.port_file = absl::GetFlag(FLAGS_port_file);
  config.restore_from_lake = absl::GetFlag(FLAGS_restore_from_lake);

  ServerOptions& server = config.server;
  server.version = EVENTHUB_VERSION;
  server.listen = absl::GetFlag(FLAGS_listen);
  server.tls = {.certificate_file = absl::GetFlag(FLAGS_tls_cert),
                .key_file = absl::GetFlag(FLAGS_tls_key),
                .client_ca_file = absl::GetFlag(FLAGS_tls_client_ca)};
  // The hub presents the same certificate when it is a client of other hubs.
  server.link_tls.ca_file =
      absl::GetFlag(FLAGS_tls_ca).empty() ? server.tls.client_ca_file : absl::GetFlag(FLAGS_tls_ca);
  server.link_tls.certificate_file = server.tls.certificate_file;
  server.link_tls.key_file = server.tls.key_file;
  server.max_request_bytes = absl::GetFlag(FLAGS_max_request).value;
  server.disk_threads = absl::GetFlag(FLAGS_disk_threads);
  server.connections.total = static_cast<size_t>(absl::GetFlag(FLAGS_max_connections));
  server.connections.per_peer = static_cast<size_t>(absl::GetFlag(FLAGS_max_connections_per_peer));

  BrokerOptions& broker = server.broker;
  broker.store.directory = absl::GetFlag(FLAGS_data_dir);
  broker.store.max_log_bytes = absl::GetFlag(FLAGS_max_log).value;
  broker.store.drop_after_damage = absl::GetFlag(FLAGS_drop_after_damage);
  // Enough for the commits in progress and for the compactions that free space.
  broker.store.reserve_bytes =
      std::min<uint64_t>(absl::GetFlag(FLAGS_min_free_disk).value / 4, uint64_t{64} << 20);
  broker.maintenance->min_free_disk_bytes = absl::GetFlag(FLAGS_min_free_disk).value;
  broker.maintenance->retention_interval = absl::GetFlag(FLAGS_retention_interval);
  broker.maintenance->compaction_interval = absl::GetFlag(FLAGS_compaction_interval);
  broker.maintenance->retention.producer_expiry = absl::GetFlag(FLAGS_producer_expiry);
  ASSIGN_OR_RETURN(broker.master_keys, MasterKeysFromFlags());
  broker.erasure_topic = absl::GetFlag(FLAGS_erasure_topic);
  ConfigureLake(server);
  RETURN_IF_ERROR(PlanMemory(server, config.lake_calls));
  return config;
}

}  // namespace eventhub
