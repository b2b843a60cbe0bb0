// `eventhub stats`: prints the statistics of the hub.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "client/cli/output/topic_output.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kStatsExamples[] = R"(
Examples:
  eventhub stats
  eventhub stats --output=json | jq .totals.published_events
  watch -n 1 eventhub stats)";

Json ListenersJson(const std::vector<client::Listener>& listeners) {
  Json json = Json::array();
  for (const client::Listener& listener : listeners) {
    json.push_back({{"address", listener.address},
                    {"tls", listener.tls},
                    {"client_certificates", listener.client_certificates},
                    {"unprotected", listener.unprotected}});
  }
  return json;
}

Json MemoryJson(const client::MemoryStats& memory) {
  Json shares = Json::object();
  for (const client::MemoryShare& share : memory.shares) {
    shares[share.name] = {{"used_bytes", share.used_bytes}, {"limit_bytes", share.limit_bytes}};
  }
  return {{"limit_bytes", memory.limit_bytes},
          {"process_bytes", memory.process_bytes},
          {"shares", std::move(shares)},
          {"findings", memory.findings}};
}

Json ConnectionsJson(const client::ConnectionStats& connections) {
  return {{"open", connections.open},
          {"accepted", connections.accepted},
          {"refused", connections.refused},
          {"shed", connections.shed}};
}

Json LakeJson(const client::LakeStats& lake) {
  return {{"location", lake.location},
          {"topics", lake.topics},
          {"totals", ArchiveJson(lake.totals)},
          {"findings", lake.findings}};
}

std::string MemoryText(const client::MemoryStats& memory) {
  std::string text = FormatBytes(memory.process_bytes);
  if (memory.limit_bytes != 0) absl::StrAppend(&text, " of ", FormatBytes(memory.limit_bytes));
  return text;
}

// "tail_cache" is shown as "  tail cache".
std::string ShareName(const client::MemoryShare& share) {
  return absl::StrCat("  ", absl::StrReplaceAll(share.name, {{"_", " "}}));
}

std::string ConnectionsText(const client::ConnectionStats& connections) {
  std::string text = FormatCount(connections.open);
  if (connections.refused != 0) {
    absl::StrAppend(&text, ", ", FormatCount(connections.refused), " refused");
  }
  if (connections.shed != 0) {
    absl::StrAppend(&text, ", ", FormatCount(connections.shed), " closed to free memory");
  }
  return text;
}

std::string ListenerText(const client::Listener& listener) {
  absl::string_view note;
  if (listener.client_certificates) {
    note = " (TLS, clients with a certificate)";
  } else if (listener.tls) {
    note = listener.unprotected ? " (UNPROTECTED: TLS, but open to anyone)" : " (TLS)";
  } else if (listener.unprotected) {
    note = " (UNPROTECTED: plain text, open to anyone)";
  }
  return absl::StrCat(listener.address, note);
}

Json HubJson(const client::HubStats& stats) {
  return {{"version", stats.version},
          {"hub_id", stats.hub_id},
          {"start_time", FormatMoment(stats.start_time)},
          {"writable", stats.writable},
          {"store_error", stats.store_error},
          {"clock_doubt", stats.clock_doubt},
          {"topics", stats.topics},
          {"partitions", stats.partitions},
          {"subscriptions", stats.subscriptions},
          {"consumers", stats.consumers},
          {"routes", stats.routes},
          {"links", stats.links},
          {"listeners", ListenersJson(stats.listeners)},
          {"totals", StatsJson(stats.totals)},
          {"commits", stats.commits},
          {"syncs", stats.syncs},
          {"tail_cache_bytes", stats.tail_cache_bytes},
          {"tail_cache_hits", stats.tail_cache_hits},
          {"cold_reads", stats.cold_reads},
          {"in_flight_bytes", stats.in_flight_bytes},
          {"memory", MemoryJson(stats.memory)},
          {"connections", ConnectionsJson(stats.connections)},
          {"disk_bytes", stats.disk_bytes},
          {"disk_free_bytes", stats.disk_free_bytes},
          {"lake", stats.lake ? LakeJson(*stats.lake) : Json(nullptr)}};
}

Fields HubFields(const client::HubStats& stats) {
  const absl::Duration up = absl::Trunc(Clock::System().Now() - stats.start_time, absl::Seconds(1));
  Fields fields = {
      {"version", stats.version},
      {"up", absl::StrCat(FormatAge(up), ", since ", FormatSecond(stats.start_time))},
      {"writable", stats.writable ? "yes" : absl::StrCat("no: ", stats.store_error)},
      {"topics",
       absl::StrCat(FormatCount(stats.topics), " with ", CountOf(stats.partitions, "partition"))},
      {"subscriptions", absl::StrCat(FormatCount(stats.subscriptions), " with ",
                                     CountOf(stats.consumers, "consumer"))},
      {"routes", absl::StrCat(FormatCount(stats.routes), ", links ", FormatCount(stats.links))}};
  if (!stats.clock_doubt.empty()) fields.emplace_back("clock", stats.clock_doubt);
  for (const client::Listener& listener : stats.listeners) {
    fields.emplace_back("listens on", ListenerText(listener));
  }
  AppendStatsFields(stats.totals, &fields);
  fields.emplace_back(
      "commits", absl::StrCat(FormatCount(stats.commits), ", syncs ", FormatCount(stats.syncs)));
  fields.emplace_back("read batches",
                      absl::StrCat(FormatCount(stats.tail_cache_hits), " from memory, ",
                                   FormatCount(stats.cold_reads), " from disk"));
  fields.emplace_back("connections", ConnectionsText(stats.connections));
  fields.emplace_back("memory", MemoryText(stats.memory));
  for (const std::string& finding : stats.memory.findings) {
    fields.emplace_back("  short", Printable(finding));
  }
  for (const client::MemoryShare& share : stats.memory.shares) {
    fields.emplace_back(ShareName(share), absl::StrCat(FormatBytes(share.used_bytes), " of ",
                                                       FormatBytes(share.limit_bytes)));
  }
  fields.emplace_back("disk", absl::StrCat(FormatBytes(stats.disk_bytes), " used, ",
                                           FormatBytes(stats.disk_free_bytes), " free"));
  if (stats.lake) {
    fields.emplace_back("lake", absl::StrCat(Printable(stats.lake->location), ", ",
                                             CountOf(stats.lake->topics, "topic")));
    AppendArchiveFields(stats.lake->totals, &fields);
    for (const std::string& finding : stats.lake->findings) {
      fields.emplace_back("  behind", Printable(finding));
    }
  }
  return fields;
}

absl::Status Stats(const Context& context, bool json) {
  ASSIGN_OR_RETURN(const client::HubStats stats, ConnectAdmin(context).GetStats());
  return WriteOut(json ? HubJson(stats).dump() + "\n" : RenderFields(HubFields(stats)));
}

}  // namespace

void AddStatsCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddVerb(app, "stats", "Show the statistics of the hub", kStatsExamples);
  const auto json = std::make_shared<bool>(false);
  AddOutputOption(*command, json.get());
  SetRun(*command, context, [&context, json] { return Stats(context, *json); });
}

}  // namespace eventhub::cli
