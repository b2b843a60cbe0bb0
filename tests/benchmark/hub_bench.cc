// See hub_bench.h. Example:
//   hub_bench --mode=create --address=localhost:7070 --topic=t --partitions=64
//   hub_bench --mode=publish --address=localhost:7070 --topic=t --threads=4 --durability=synced
#include "tests/benchmark/hub_bench.h"

#include <cstdio>
#include <functional>
#include <map>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, mode, "publish",
          "create, wait, publish, latency, read, read_once, fan_out, stats, subscribe, consume, "
          "consume_once, seek, holes, many, stuck, victim, failover, route, process or sustained");
ABSL_FLAG(std::string, address, "localhost:7070", "the hub");
ABSL_FLAG(std::string, topic, "benchmark", "the topic");
ABSL_FLAG(uint32_t, partitions, 1, "of the topic, at creation");
ABSL_FLAG(uint64_t, event_bytes, 100, "encoded size of an event");
ABSL_FLAG(std::string, durability, "written", "written or synced");
ABSL_FLAG(int, threads, 1, "publishing or reading threads, each with its own connection");
ABSL_FLAG(int, keys, 0, "distinct partition keys; 0: no keys");
ABSL_FLAG(int, types, 1, "distinct types of events");
ABSL_FLAG(int, type_run, 1, "events of one type that follow one another");
ABSL_FLAG(bool, json, false, "whether the data of events is JSON as services write it");
ABSL_FLAG(int64_t, events, 0, "events to publish per thread; 0: as many as --seconds allow");
ABSL_FLAG(uint64_t, batch_bytes, 0, "batch size of the SDK; 0: its default");
ABSL_FLAG(double, seconds, 3, "how long to measure, or to wait");
ABSL_FLAG(double, events_per_s, 0, "publish at this pace; 0: as fast as possible");
ABSL_FLAG(int64_t, server_pid, 0, "the hub's process, whose memory is looked at");
ABSL_FLAG(bool, parse, false, "parse each event read");
ABSL_FLAG(std::string, of_type, "", "read only events of this type");
ABSL_FLAG(int, routes, 1, "how many routes to create");
ABSL_FLAG(int, route_type, -1, "the type that the first route takes, by number; -1: all take all");
ABSL_FLAG(bool, transact, false, "process in transactions");
ABSL_FLAG(std::string, subscription, "benchmark", "the subscription, or what several are called");
ABSL_FLAG(std::string, kind, "queue", "of a subscription: stream or queue");
ABSL_FLAG(int, subscriptions, 1, "how many to create");
ABSL_FLAG(int, consumers, 1, "how many subscriptions are consumed");
ABSL_FLAG(bool, from_start, false, "create subscriptions at the start of the topic, not its end");
ABSL_FLAG(std::string, dead_letter_topic, "", "of subscriptions; empty: one each");
ABSL_FLAG(uint32_t, credit, 0, "events that may be at a consumer, unacked; 0: the SDK's default");
ABSL_FLAG(uint64_t, credit_bytes, 16 << 20, "the bytes of these events");
ABSL_FLAG(int, kills, 20, "how many consumers to kill");

namespace eventhub::benchmark {

absl::Status CreateTopic(const HubOptions& options) {
  client::AdminOptions admin_options;
  admin_options.timeout = absl::Seconds(60);
  client::AdminClient admin(client::Connect(options.address), admin_options);
  const absl::Status deleted = admin.DeleteTopic(options.topic);
  if (!absl::IsNotFound(deleted)) RETURN_IF_ERROR(deleted);
  client::Topic topic;
  topic.name = options.topic;
  topic.partitions = options.partitions;
  return admin.CreateTopic(topic).status();
}

absl::Status AwaitServing(const HubOptions& options) {
  const Stopwatch watch;
  while (watch.Seconds() < options.seconds) {
    // A new connection each time: one that was refused waits before it retries.
    client::AdminOptions admin_options;
    admin_options.timeout = absl::Seconds(1);
    client::AdminClient admin(client::Connect(options.address), admin_options);
    const absl::StatusOr<client::Health> health = admin.CheckHealth();
    if (health.ok() && *health == client::Health::kServing) return absl::OkStatus();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return absl::DeadlineExceededError(options.address + " is not serving");
}

absl::Status PrintStats(const HubOptions& options) {
  client::AdminClient admin(client::Connect(options.address));
  ASSIGN_OR_RETURN(const client::HubStats stats, admin.GetStats());
  PrintResult("hub_stats", {{"stored_bytes", static_cast<double>(stats.totals.bytes)},
                            {"delivered_bytes", static_cast<double>(stats.totals.delivered_bytes)},
                            {"commits", static_cast<double>(stats.commits)},
                            {"syncs", static_cast<double>(stats.syncs)},
                            {"tail_cache_hits", static_cast<double>(stats.tail_cache_hits)},
                            {"cold_reads", static_cast<double>(stats.cold_reads)},
                            {"disk_bytes", static_cast<double>(stats.disk_bytes)}});
  return absl::OkStatus();
}

namespace {

absl::Status ReadSubscriptionFlags(HubOptions& options) {
  options.subscription = absl::GetFlag(FLAGS_subscription);
  options.subscriptions = absl::GetFlag(FLAGS_subscriptions);
  options.consumers = absl::GetFlag(FLAGS_consumers);
  options.dead_letter_topic = absl::GetFlag(FLAGS_dead_letter_topic);
  options.credit_events = absl::GetFlag(FLAGS_credit);
  options.credit_bytes = absl::GetFlag(FLAGS_credit_bytes);
  options.kills = absl::GetFlag(FLAGS_kills);
  if (absl::GetFlag(FLAGS_from_start)) options.start = client::StartPosition::Earliest();
  const std::string kind = absl::GetFlag(FLAGS_kind);
  if (kind == "stream") {
    options.kind = client::SubscriptionKind::kStream;
  } else if (kind != "queue") {
    return absl::InvalidArgumentError("--kind must be stream or queue");
  }
  return absl::OkStatus();
}

absl::Status Run() {
  HubOptions options;
  RETURN_IF_ERROR(ReadSubscriptionFlags(options));
  options.address = absl::GetFlag(FLAGS_address);
  options.topic = absl::GetFlag(FLAGS_topic);
  options.partitions = absl::GetFlag(FLAGS_partitions);
  options.shape = {.bytes = absl::GetFlag(FLAGS_event_bytes),
                   .keys = absl::GetFlag(FLAGS_keys),
                   .types = absl::GetFlag(FLAGS_types),
                   .type_run = absl::GetFlag(FLAGS_type_run),
                   .json = absl::GetFlag(FLAGS_json)};
  options.threads = absl::GetFlag(FLAGS_threads);
  options.events = absl::GetFlag(FLAGS_events);
  options.batch_bytes = absl::GetFlag(FLAGS_batch_bytes);
  options.seconds = absl::GetFlag(FLAGS_seconds);
  options.events_per_s = absl::GetFlag(FLAGS_events_per_s);
  options.server_pid = absl::GetFlag(FLAGS_server_pid);
  options.parse = absl::GetFlag(FLAGS_parse);
  options.of_type = absl::GetFlag(FLAGS_of_type);
  options.routes = absl::GetFlag(FLAGS_routes);
  options.route_type = absl::GetFlag(FLAGS_route_type);
  options.transact = absl::GetFlag(FLAGS_transact);
  const std::string durability = absl::GetFlag(FLAGS_durability);
  if (durability == "synced") {
    options.durability = client::Durability::kSynced;
  } else if (durability != "written") {
    return absl::InvalidArgumentError("--durability must be written or synced");
  }
  const std::map<std::string, std::function<absl::Status()>> modes = {
      {"create", [&] { return CreateTopic(options); }},
      {"wait", [&] { return AwaitServing(options); }},
      {"publish", [&] { return MeasurePublish(options); }},
      {"latency", [&] { return MeasureLatency(options); }},
      {"read", [&] { return MeasureRead(options, /*once=*/false); }},
      {"read_once", [&] { return MeasureRead(options, /*once=*/true); }},
      {"fan_out", [&] { return MeasureFanOut(options); }},
      {"stats", [&] { return PrintStats(options); }},
      {"subscribe", [&] { return CreateSubscriptions(options); }},
      {"consume", [&] { return MeasureConsume(options); }},
      {"consume_once", [&] { return MeasureConsumeOnce(options); }},
      {"seek", [&] { return MeasureSeek(options); }},
      {"holes", [&] { return MeasureHoles(options); }},
      {"many", [&] { return MeasureManySubscriptions(options); }},
      {"stuck", [&] { return BeStuck(options); }},
      {"victim", [&] { return BeVictim(options); }},
      {"failover", [&] { return MeasureFailover(options); }},
      {"route", [&] { return CreateRoutes(options); }},
      {"sustained", [&] { return MeasureSustained(options); }},
      {"process", [&] { return MeasureProcess(options); }},
  };
  const auto mode = modes.find(absl::GetFlag(FLAGS_mode));
  if (mode == modes.end()) return absl::InvalidArgumentError("unknown --mode");
  return mode->second();
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = eventhub::benchmark::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
