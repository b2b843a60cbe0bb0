// `eventhub seek` and `eventhub replay`: what is delivered again, or never.
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/command.h"
#include "client/cli/places.h"
#include "client/cli/subscription_output.h"
#include "client/cli/units.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kSeekExamples[] = R"(
Moves a subscription to another place in its topic's log, consumers connected or not. Events behind
the place come again, those before it never, but for what is replayed and dead letters that were
redriven. Events that are out, and retries, are forgotten.

Examples:
  eventhub seek billing --to=2h --dry-run           what would come again?
  eventhub seek billing --to=2026-01-31T12:00:00Z
  eventhub seek billing --to=latest                 skip all there is
  eventhub seek billing --offset=3:1200             partition 3 alone
  eventhub seek billing --to=earliest --offset=0:500,1:480
  eventhub seek billing --to=snapshot:before-deploy)";

constexpr char kReplayExamples[] = R"(
Delivers a part of the log again, to this subscription alone, beside what comes live. Goes on over
restarts. Events that are not settled yet come anyway, and are not counted.

Examples:
  eventhub replay billing --from=2h --dry-run
  eventhub replay billing --from=2026-01-31T12:00:00Z --to=2026-01-31T13:00:00Z --rate-events=100
  eventhub replay billing --partition=3 --from=1200 --to=1300
  eventhub replay billing --cancel)";

struct SeekFlags {
  std::string name;
  std::string to;
  std::vector<std::vector<client::PartitionOffset>> offsets;
  bool dry_run = false;
  bool json = false;
};

absl::StatusOr<client::SeekTarget> ToTarget(const SeekFlags& flags) {
  client::SeekTarget target;
  absl::string_view to = flags.to;
  if (absl::ConsumePrefix(&to, "snapshot:")) {
    if (to.empty()) return UsageError("--to: the name of the snapshot is missing");
    target.snapshot = std::string(to);
  } else if (!to.empty()) {
    const auto start = ParseStart(to, Clock::System().Now());
    if (!start.ok()) {
      return UsageError(absl::StrCat("--to: ", start.status().message(), ", or snapshot:NAME"));
    }
    target.start = *start;
  }
  for (const auto& places : flags.offsets) {
    target.offsets.insert(target.offsets.end(), places.begin(), places.end());
  }
  if (to.empty() && target.offsets.empty()) return UsageError("seek: --to or --offset is missing");
  return target;
}

absl::Status Seek(const Context& context, const SeekFlags& flags) {
  ASSIGN_OR_RETURN(const client::SeekTarget target, ToTarget(flags));
  ASSIGN_OR_RETURN(const auto moves,
                   ConnectSubscriptions(context).Seek(flags.name, target, flags.dry_run));
  return WriteOut(flags.json ? MovesJson(moves, flags.dry_run).dump() + "\n"
                             : RenderMoves(moves, flags.dry_run));
}

struct ReplayFlags {
  std::string name;
  std::optional<client::StartPosition> from;
  client::ReplaySpec spec;
  client::RateLimit rate;
  bool cancel = false;
  bool dry_run = false;
  bool json = false;
};

absl::Status CancelReplays(const Context& context, const ReplayFlags& flags) {
  ASSIGN_OR_RETURN(const uint64_t events, ConnectSubscriptions(context).CancelReplays(flags.name));
  if (flags.json) return WriteOut(Json{{"cancelled_events", events}}.dump() + "\n");
  return WriteOut(absl::StrCat(CountOf(events, "event"), events == 1 ? " is" : " are",
                               " not delivered again\n"));
}

absl::Status Replay(const Context& context, const ReplayFlags& flags) {
  if (flags.cancel) return CancelReplays(context, flags);
  if (!flags.from.has_value()) return UsageError("replay: --from or --cancel is missing");
  client::ReplaySpec spec = flags.spec;
  spec.start = *flags.from;
  if (flags.rate.events_per_second > 0 || flags.rate.bytes_per_second > 0) {
    spec.rate_limit = flags.rate;
  }
  ASSIGN_OR_RETURN(const client::ReplayResult result,
                   ConnectSubscriptions(context).Replay(flags.name, spec, flags.dry_run));
  return WriteOut(flags.json ? ReplayJson(result, flags.dry_run).dump() + "\n"
                             : RenderReplay(result, flags.dry_run));
}

absl::StatusOr<uint64_t> ParseReplayRate(absl::string_view text) {
  ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(text));
  if (bytes > 0) return bytes;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' lets nothing through; without the option there is no limit"));
}

// An offset or a moment.
void AddStopOption(CLI::App& command, client::ReplaySpec& spec) {
  const auto assign = [&spec](const std::string& text) {
    if (IsNumber(text)) {
      if (const auto offset = ParseOffset(text); offset.ok()) {
        spec.stop_offset = *offset;
        return;
      }
    }
    const auto time = ParseMoment(text, Clock::System().Now());
    // What the library expects of a callback.
    if (!time.ok()) throw CLI::ValidationError("--to", std::string(time.status().message()));
    spec.stop_time = *time;
  };
  command
      .add_option_function<std::string>(
          "--to", assign, "Before this offset or time (default: all that was delivered)")
      ->type_name("PLACE");
}

}  // namespace

void AddSeekCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("seek", "Move a subscription in its topic's log");
  command->footer(kSeekExamples);
  const auto flags = std::make_shared<SeekFlags>();
  command->add_option("SUBSCRIPTION", flags->name, "Its name")->required();
  command
      ->add_option("--to", flags->to,
                   "earliest, latest, an offset, a time, a duration back from now, or "
                   "snapshot:NAME")
      ->type_name("PLACE");
  AddParsedListOption(*command, "--offset", &flags->offsets, ParsePartitionOffsets,
                      "The place in one partition, which goes before --to; may be repeated",
                      "PARTITION:OFFSET,…");
  command->add_flag("--dry-run", flags->dry_run, "Only say what would move");
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context, [&context, flags] { return Seek(context, *flags); });
}

void AddReplayCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("replay", "Deliver a part of the log again");
  command->footer(kReplayExamples);
  const auto flags = std::make_shared<ReplayFlags>();
  command->add_option("SUBSCRIPTION", flags->name, "Its name")->required();
  const auto parse = [](absl::string_view text) { return ParseStart(text, Clock::System().Now()); };
  AddParsedOption(*command, "--from", &flags->from, parse,
                  "earliest, an offset, a time, or a duration back from now", "PLACE");
  AddStopOption(*command, flags->spec);
  AddParsedListOption(*command, "-p,--partition", &flags->spec.partitions, ParsePartition,
                      "Only this partition; may be repeated", "N");
  AddCountOption(*command, "--rate-events", &flags->rate.events_per_second, 1,
                 std::numeric_limits<uint64_t>::max(),
                 "At most so many events a second, all replays of the subscription together");
  AddParsedOption(*command, "--rate-bytes", &flags->rate.bytes_per_second, ParseReplayRate,
                  "At most so many bytes a second, e.g. 1MiB", "SIZE");
  CLI::Option* cancel =
      command->add_flag("--cancel", flags->cancel, "End all replays of the subscription instead");
  command->add_flag("--dry-run", flags->dry_run, "Only say what would be delivered");
  // None of them would keep it from ending all.
  for (const char* other :
       {"--from", "--to", "--partition", "--rate-events", "--rate-bytes", "--dry-run"}) {
    cancel->excludes(command->get_option(other));
  }
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context, [&context, flags] { return Replay(context, *flags); });
}

}  // namespace eventhub::cli
