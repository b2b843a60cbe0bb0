// `eventhub bench`: measures a running hub from the machine that the command runs on.
#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/topic_output.h"
#include "client/cli/run/bench_run.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kBenchExamples[] = R"(
Creates a topic, publishes to it, reads it back, and deletes it. Needs disk space for the events on
the hub.

Examples:
  eventhub bench
  eventhub bench --events=200000 --size=1KiB --producers=4 --partitions=4
  eventhub bench --durability=written --output=json)";

constexpr uint64_t kMaxEvents = uint64_t{1} << 40;

absl::StatusOr<uint64_t> ParseDataSize(absl::string_view text) {
  ASSIGN_OR_RETURN(const uint64_t size, ParseBytes(text));
  if (size > 1'000'000) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is more than 1 MB"));
  }
  return size;
}

double PerSecond(uint64_t count, absl::Duration time) {
  return static_cast<double>(count) / std::max(absl::ToDoubleSeconds(time), 1e-9);
}

std::string Line(const BenchOptions& options, const BenchResult& result, absl::Duration time) {
  const uint64_t bytes = options.events * result.event_bytes;
  return absl::StrCat(FormatCount(static_cast<uint64_t>(PerSecond(options.events, time))),
                      " events/s, ", FormatBytes(static_cast<uint64_t>(PerSecond(bytes, time))),
                      "/s (", absl::StrFormat("%.2fs", absl::ToDoubleSeconds(time)), ")");
}

Json ResultJson(const BenchOptions& options, const BenchResult& result) {
  return {{"events", options.events},
          {"data_bytes", options.size},
          {"event_bytes", result.event_bytes},
          {"partitions", options.partitions},
          {"producers", options.producers},
          {"durability", std::string(DurabilityName(options.durability))},
          {"publish_events_per_second", PerSecond(options.events, result.publish)},
          {"read_events_per_second", PerSecond(options.events, result.read)},
          {"round_trip_p50_ms", absl::ToDoubleMilliseconds(result.round_trip_p50)},
          {"round_trip_p99_ms", absl::ToDoubleMilliseconds(result.round_trip_p99)}};
}

absl::Status RunAndPrint(const Context& context, const BenchOptions& options, bool json) {
  ASSIGN_OR_RETURN(const BenchResult result, RunBench(context, options));
  if (json) return WriteOut(ResultJson(options, result).dump() + "\n");
  const auto milliseconds = [](absl::Duration time) {
    return absl::StrFormat("%.2f ms", absl::ToDoubleMilliseconds(time));
  };
  return WriteOut(RenderFields(
      {{"events",
        absl::StrCat(FormatCount(options.events), " of ", FormatBytes(result.event_bytes), " (",
                     FormatBytes(options.size), " of data), ", DurabilityName(options.durability))},
       {"publish", Line(options, result, result.publish)},
       {"read", Line(options, result, result.read)},
       {"one at a time", absl::StrCat("p50 ", milliseconds(result.round_trip_p50), ", p99 ",
                                      milliseconds(result.round_trip_p99))}}));
}

}  // namespace

void AddBenchCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddVerb(app, "bench", "Measure the performance of the hub", kBenchExamples);
  const auto options = std::make_shared<BenchOptions>();
  const auto json = std::make_shared<bool>(false);
  AddCountOption(*command, "-n,--events", &options->events, 1, kMaxEvents,
                 "The number of events (default 1,000,000)");
  AddParsedOption(*command, "--size", &options->size, ParseDataSize,
                  "The size of the data of each event (default 100 bytes)", "SIZE");
  AddCountOption(*command, "--partitions", &options->partitions, 1, 100'000,
                 "Partitions of the topic (default 1)");
  AddCountOption(*command, "--producers", &options->producers, 1, 256,
                 "Connections that publish (default 1)");
  AddCountOption(*command, "--round-trips", &options->round_trips, 0, kMaxEvents,
                 "Events published one at a time (default 1,000)");
  AddParsedOption(*command, "--durability", &options->durability, ParseDurability,
                  "When an event is acknowledged (default synced)", "synced|written");
  AddOutputOption(*command, json.get());
  SetRun(*command, context,
         [&context, options, json] { return RunAndPrint(context, *options, *json); });
}

}  // namespace eventhub::cli
