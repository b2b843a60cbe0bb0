#include "storage/base/environment_names.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "storage/base/nearest_word.h"

namespace eventhub {
namespace {

// Without the prefix, like all names below. A test checks that every flag of both programs is here.
constexpr absl::string_view kSettings[] = {
    // eventhubd
    "COMPACTION_INTERVAL", "DATA_DIR", "DISK_THREADS", "DROP_AFTER_DAMAGE",
    "ERASURE_MASTER_KEY_COMMAND", "ERASURE_MASTER_KEY_FILE", "ERASURE_TOPIC", "LAKE",
    "LAKE_FLUSH_INTERVAL", "LAKE_MAX_LAG", "LAKE_MAX_LAG_AGE", "LAKE_MERGE", "LAKE_MERGE_GRACE",
    "LAKE_MERGE_RATE", "LAKE_RATE", "LAKE_READ_THREADS", "LAKE_TAKEOVER", "LAKE_WHEN_BEHIND",
    "LISTEN", "LOG_FORMAT", "MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_PEER", "MAX_PARTITIONS",
    "MEMORY_LIMIT", "LOG_LEVEL", "MAX_IN_FLIGHT", "MAX_IN_FLIGHT_PER_CONNECTION", "MAX_LOG",
    "MAX_REQUEST", "MAX_STREAMS", "MIN_FREE_DISK", "PORT_FILE", "PRODUCER_EXPIRY",
    "RESTORE_FROM_LAKE", "RETENTION_INTERVAL", "SHUTDOWN_GRACE", "TAIL_CACHE", "TLS_CLIENT_CA",
    "WRITE_BUFFER",
    // eventhub
    "ADDRESS", "DUCKDB", "TLS", "TLS_SERVER_NAME",
    // both
    "TLS_CA", "TLS_CERT", "TLS_KEY"};

// Set by client/cli/run/event_environment.h, in addition to ATTR_….
constexpr absl::string_view kOfEvents[] = {"APPEND_TIME", "ATTEMPT",  "CONTENT_TYPE", "EVENTS",
                                           "ID",          "KEY",      "OFFSET",       "PARTITION",
                                           "REDELIVERED", "REPLAYED", "SCHEMA",       "SOURCE",
                                           "SUBJECT",     "TIME",     "SUBSCRIPTION", "TYPE"};

template <typename Names>
bool Contains(const Names& names, absl::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool IsNumber(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// `7070_TCP`, `7070_TCP_ADDR`, …
bool IsPortOfLink(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '_');
  constexpr absl::string_view kProtocols[] = {"TCP", "UDP", "SCTP"};
  constexpr absl::string_view kDetails[] = {"PROTO", "PORT", "ADDR"};
  return (parts.size() == 2 || parts.size() == 3) && IsNumber(parts[0]) &&
         Contains(kProtocols, parts[1]) && (parts.size() == 2 || Contains(kDetails, parts[2]));
}

// Whether the variable may have been set by Kubernetes, or by the Docker links whose names it
// adopted.
bool IsServiceLink(absl::string_view name, absl::string_view value) {
  // The rest of the Service's name may precede any of these.
  const std::string whole = absl::StrCat("_", name);
  if (absl::EndsWith(whole, "_SERVICE_HOST") || absl::StrContains(whole, "_SERVICE_PORT")) {
    return true;
  }
  for (size_t at = whole.find("_PORT_"); at != std::string::npos;
       at = whole.find("_PORT_", at + 1)) {
    if (IsPortOfLink(absl::string_view(whole).substr(at + 6))) return true;
  }
  return absl::EndsWith(whole, "_PORT") && absl::StrContains(value, "://");
}

absl::Status Unknown(absl::string_view name) {
  const std::vector<std::string> settings(std::begin(kSettings), std::end(kSettings));
  const std::string nearest = NearestWord(name, settings);
  return absl::InvalidArgumentError(absl::StrCat(
      kEnvironmentPrefix, name, ": unknown setting",
      nearest.empty() ? "; unset it, or see --help"
                      : absl::StrCat("; did you mean ", kEnvironmentPrefix, nearest, "?")));
}

}  // namespace

bool IsSettingVariable(absl::string_view name) {
  return absl::ConsumePrefix(&name, kEnvironmentPrefix) && Contains(kSettings, name);
}

absl::Status CheckEnvironment(const char* const* environment) {
  for (; *environment != nullptr; ++environment) {
    const std::pair<absl::string_view, absl::string_view> variable =
        absl::StrSplit(absl::string_view(*environment), absl::MaxSplits('=', 1));
    absl::string_view name = variable.first;
    if (!absl::ConsumePrefix(&name, kEnvironmentPrefix)) continue;
    const bool known = Contains(kSettings, name) || Contains(kOfEvents, name) ||
                       absl::StartsWith(name, "ATTR_") || absl::StartsWith(name, "TEST_") ||
                       IsServiceLink(name, variable.second);
    if (!known) return Unknown(name);
  }
  return absl::OkStatus();
}

}  // namespace eventhub
