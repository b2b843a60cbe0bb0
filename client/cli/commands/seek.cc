// `eventhub subscriptions seek` and `replay`: redeliver or skip events.
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/places.h"
#include "client/cli/input/units.h"
#include "client/cli/output/subscription_output.h"
#include "client/cli/run/progress.h"
#include "client/cli/run/replay_wait.h"
#include "eventhub/error.h"
#include "eventhub/subscription_client.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kSeekExamples[] = R"(
Moves a subscription to another position in its topic's log; consumers stay connected. Events from
there on are delivered again, and earlier ones are not, except replays and redriven dead letters.
Events in flight and pending retries are discarded. It asks first, takes a snapshot to go back to
(the last 10 are kept), and prints the command that goes back. A seek does not leave the log: events
that only the lake has are delivered again by `eventhub subscriptions replay`.

Examples:
  eventhub subscriptions seek billing --to=2h --dry-run      what would be delivered again?
  eventhub subscriptions seek billing --to=2026-01-31T12:00:00Z
  eventhub subscriptions seek billing --to=latest --yes      skip the backlog without asking
  eventhub subscriptions seek billing --to=3:1200            partition 3 only
  eventhub subscriptions seek billing --to=earliest --offset=0:500,1:480
  eventhub subscriptions seek billing --to=snapshot:before-deploy
  eventhub subscriptions snapshots list billing              where could it go back to?)";

constexpr char kReplayExamples[] = R"(
Delivers a range of the log again, to this subscription only, in parallel with live events. If the
hub has a lake, the range may begin with events that retention has removed. A replay survives
restarts. Unsettled events are delivered anyway, and are not counted; events that the filter
excludes, or that a topic with the latest per key has removed, are counted, and are not delivered.
Replays that are not done have one filter. To count by type first, see eventhub lake replay.

Examples:
  eventhub subscriptions replay billing --from=2h --dry-run
  eventhub subscriptions replay billing --from=2026-01-31T12:00:00Z --to=2026-01-31T13:00:00Z
  eventhub subscriptions replay billing --from=3:1200 --to=3:1300         partition 3 only
  eventhub subscriptions replay billing --from=1d --rate-events=100
  eventhub subscriptions replay billing --from=2026-03-01 --to=2026-04-01 --type=paid --wait=2h
  eventhub subscriptions replay billing --from=earliest --filter="subject LIKE 'eu/%'"
  eventhub subscriptions replay billing --cancel)";

struct SeekFlags {
  std::string name;
  std::string to;
  std::vector<std::vector<client::PartitionOffset>> offsets;
  bool dry_run = false;
  bool no_snapshot = false;
  bool yes = false;
  bool json = false;
};

// The prefix of the snapshots that seeks take. Their names sort by time.
constexpr absl::string_view kTakenBySeek = "before-seek-";
constexpr size_t kSnapshotsKept = 10;

absl::StatusOr<client::SeekTarget> ToTarget(const SeekFlags& flags) {
  client::SeekTarget target;
  absl::string_view to = flags.to;
  if (absl::ConsumePrefix(&to, "snapshot:")) {
    if (to.empty()) return UsageError("--to: the name of the snapshot is missing");
    target.snapshot = std::string(to);
  } else if (const auto places = ParsePartitionOffsets(to); places.ok()) {
    target.offsets = *places;
  } else if (!to.empty()) {
    const auto start = ParseStart(to, Clock::System().Now());
    if (!start.ok()) {
      return UsageError(
          absl::StrCat("--to: ", start.status().message(), ", PARTITION:OFFSET, or snapshot:NAME"));
    }
    target.start = *start;
  }
  for (const auto& places : flags.offsets) {
    target.offsets.insert(target.offsets.end(), places.begin(), places.end());
  }
  if (to.empty() && target.offsets.empty())
    return UsageError("subscriptions seek: --to or --offset is missing");
  return target;
}

// Takes a snapshot of the subscription; returns its name.
absl::StatusOr<std::string> TakeSnapshot(client::SubscriptionClient& client,
                                         const SeekFlags& flags) {
  const std::string name = absl::StrCat(
      kTakenBySeek,
      absl::FormatTime("%Y%m%dT%H%M%E3SZ", Clock::System().Now(), absl::UTCTimeZone()));
  const absl::Status taken = WithProgress(
      "taking a snapshot", [&] { return client.CreateSnapshot(flags.name, name).status(); });
  if (taken.ok()) return name;
  // The cursor did not move, whether or not the snapshot was created.
  return WithKnownOutcome(taken);
}

// Ignores errors: the seek is done, and the next seek deletes what remains.
void DeleteOldSnapshots(client::SubscriptionClient& client, const SeekFlags& flags) {
  const auto snapshots = client.ListSnapshots(flags.name);
  if (!snapshots.ok()) return;
  std::vector<std::string> taken;
  for (const client::Snapshot& snapshot : *snapshots) {
    if (absl::StartsWith(snapshot.name, kTakenBySeek)) taken.push_back(snapshot.name);
  }
  for (size_t i = 0; i + kSnapshotsKept < taken.size(); ++i) {
    client.DeleteSnapshot(flags.name, taken[i]).IgnoreError();
  }
}

// Events that the lake has and the log does not have any more, in front of a position.
struct PassedOver {
  uint32_t partition = 0;
  int64_t start = 0;
  int64_t end = 0;
};

// What a seek to the earliest event or to a time does not reach: a subscription has positions in
// the log only. Ignores errors: the seek is done or described, whether or not this can be told.
std::vector<PassedOver> FindPassedOver(const Context& context, client::SubscriptionClient& client,
                                       const SeekFlags& flags, const client::SeekTarget& target,
                                       const std::vector<client::PartitionMove>& moves) {
  std::vector<PassedOver> found;
  if (!target.start.has_value() ||
      (target.start->kind != client::StartPosition::Kind::kEarliest &&
       target.start->kind != client::StartPosition::Kind::kTimestamp)) {
    return found;
  }
  const auto description = client.GetSubscription(flags.name);
  if (!description.ok()) return found;
  const auto logs = ConnectAdmin(context).ListPartitions(description->subscription.topic);
  if (!logs.ok()) return found;
  // A partition that did not move is there already.
  std::map<uint32_t, int64_t> positions;
  for (const client::SubscriptionPartition& partition : description->partitions) {
    positions[partition.partition] = partition.acked_offset;
  }
  for (const client::PartitionMove& move : moves) positions[move.partition] = move.to_offset;
  for (const client::PartitionOffset& exact : target.offsets) positions.erase(exact.partition);
  for (const client::PartitionInfo& log : *logs) {
    const auto position = positions.find(log.partition);
    if (position == positions.end() || position->second > log.start_offset) continue;
    if (log.history_start_offset.value_or(log.start_offset) >= log.start_offset) continue;
    found.push_back({log.partition, *log.history_start_offset, log.start_offset});
  }
  return found;
}

std::string RenderPassedOver(const std::vector<PassedOver>& passed, const SeekFlags& flags,
                             const client::SeekTarget& target) {
  std::string text;
  for (const PassedOver& partition : passed) {
    absl::StrAppend(&text, "the log of partition ", partition.partition, " begins at offset ",
                    partition.end, "; the events before it, from ", partition.start,
                    " on, are in the lake only\n");
  }
  if (passed.empty()) return text;
  const bool earliest = target.start->kind == client::StartPosition::Kind::kEarliest;
  return absl::StrCat(
      text, "to deliver them again, too: eventhub subscriptions replay ", flags.name,
      " --from=", earliest ? "earliest" : FormatMoment(target.start->timestamp), "\n");
}

absl::Status ConfirmSeek(const Context& context, client::SubscriptionClient& client,
                         const SeekFlags& flags, const client::SeekTarget& target) {
  ASSIGN_OR_RETURN(const auto moves, WithProgress("checking the position", [&] {
                     return client.Seek(flags.name, target, /*dry_run=*/true);
                   }));
  const auto passed = FindPassedOver(context, client, flags, target, moves);
  std::fputs(RenderMoves(moves, /*dry_run=*/false).c_str(), stderr);
  std::fputs(RenderPassedOver(passed, flags, target).c_str(), stderr);
  return Confirm(absl::StrCat("Move subscription '", flags.name, "'?"),
                 absl::StrCat("subscription '", flags.name, "' stays where it is"));
}

absl::Status PrintMoves(const std::vector<client::PartitionMove>& moves,
                        const std::vector<PassedOver>& passed, const client::SeekTarget& target,
                        const std::string& snapshot, const SeekFlags& flags) {
  if (flags.json) {
    Json json = MovesJson(moves, flags.dry_run);
    json["snapshot"] = snapshot.empty() ? Json(nullptr) : Json(snapshot);
    json["in_lake_only"] = Json::array();
    for (const PassedOver& partition : passed) {
      json["in_lake_only"].push_back({{"partition", partition.partition},
                                      {"start_offset", partition.start},
                                      {"end_offset", partition.end}});
    }
    return WriteOut(json.dump() + "\n");
  }
  std::string text =
      absl::StrCat(RenderMoves(moves, flags.dry_run), RenderPassedOver(passed, flags, target));
  if (!snapshot.empty()) {
    absl::StrAppend(&text, "to go back: eventhub subscriptions seek ", flags.name,
                    " --to=snapshot:", snapshot, "\n");
  }
  return WriteOut(text);
}

absl::Status Seek(const Context& context, const SeekFlags& flags) {
  ASSIGN_OR_RETURN(const client::SeekTarget target, ToTarget(flags));
  const bool ask = !flags.dry_run && !flags.yes;
  if (ask) RETURN_IF_ERROR(NeedTerminal("subscriptions seek"));
  client::SubscriptionClient client = ConnectSubscriptions(context);
  if (ask) RETURN_IF_ERROR(ConfirmSeek(context, client, flags, target));
  std::string snapshot;
  if (!flags.dry_run && !flags.no_snapshot) {
    ASSIGN_OR_RETURN(snapshot, TakeSnapshot(client, flags));
  }
  const auto moves =
      WithProgress("seeking", [&] { return client.Seek(flags.name, target, flags.dry_run); });
  const bool refused = !moves.ok() && !client::OutcomeIsUnknown(moves.status());
  if (!snapshot.empty() && refused) client.DeleteSnapshot(flags.name, snapshot).IgnoreError();
  RETURN_IF_ERROR(moves.status());
  if (!snapshot.empty()) DeleteOldSnapshots(client, flags);
  const auto passed = FindPassedOver(context, client, flags, target, *moves);
  return PrintMoves(*moves, passed, target, snapshot, flags);
}

struct ReplayFlags {
  std::string name;
  std::optional<client::StartPosition> from;
  client::ReplaySpec spec;
  // The partitions of --from and --to that are given as PARTITION:OFFSET.
  std::vector<uint32_t> places_of;
  client::RateLimit rate;
  std::string type;
  std::optional<client::Filter> filter;
  std::optional<absl::Duration> wait;
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
  if (!flags.from.has_value())
    return UsageError("subscriptions replay: --from or --cancel is missing");
  client::ReplaySpec spec = flags.spec;
  spec.start = *flags.from;
  for (const uint32_t partition : flags.places_of) {
    if (spec.partitions.empty()) spec.partitions.push_back(partition);
    if (spec.partitions != std::vector<uint32_t>{partition}) {
      return UsageError(
          "subscriptions replay: PARTITION:OFFSET is a position in one partition, but several are "
          "named");
    }
  }
  if (flags.rate.events_per_second > 0 || flags.rate.bytes_per_second > 0) {
    spec.rate_limit = flags.rate;
  }
  spec.filter = ReplayFilter(flags.type, flags.filter);
  client::SubscriptionClient client = ConnectSubscriptions(context);
  ASSIGN_OR_RETURN(const client::ReplayResult result,
                   WithProgress("finding the events to replay",
                                [&] { return client.Replay(flags.name, spec, flags.dry_run); }));
  RETURN_IF_ERROR(WriteOut(flags.json ? ReplayJson(result, flags.dry_run).dump() + "\n"
                                      : RenderReplay(result, flags.dry_run)));
  if (!flags.wait || result.events == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t left,
                   AwaitReplay(client, flags.name, result.events, *flags.wait));
  if (left == 0) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(CountOf(left, "event"), " of replays not settled after ",
                   FormatRoughAge(*flags.wait), "; the replay goes on"));
}

absl::StatusOr<client::Filter> ParseFilterOfReplay(absl::string_view text) {
  ASSIGN_OR_RETURN(v1::Filter filter, ParseFilter(text));
  return client::Filter(std::move(filter));
}

absl::StatusOr<uint64_t> ParseReplayRate(absl::string_view text) {
  ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(text));
  if (bytes > 0) return bytes;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' would deliver nothing; omit the option for no limit"));
}

absl::StatusOr<client::StartPosition> ParseReplayStart(absl::string_view text, ReplayFlags& flags) {
  const auto place = ParsePartitionOffset(text);
  if (!place.ok()) return ParseStart(text, Clock::System().Now());
  flags.places_of.push_back(place->partition);
  return client::StartPosition::Offset(place->offset);
}

// Adds `--to`: an offset, in one partition or in all, or a time.
void AddStopOption(CLI::App& command, ReplayFlags& flags) {
  const auto assign = [&flags, &spec = flags.spec](const std::string& text) {
    if (const auto place = ParsePartitionOffset(text); place.ok()) {
      flags.places_of.push_back(place->partition);
      spec.stop_offset = place->offset;
      return;
    }
    if (IsNumber(text)) {
      if (const auto offset = ParseOffset(text); offset.ok()) {
        spec.stop_offset = *offset;
        return;
      }
    }
    const auto time = ParseMoment(text, Clock::System().Now());
    // Callbacks report errors to the library by this exception.
    if (!time.ok()) throw CLI::ValidationError("--to", std::string(time.status().message()));
    spec.stop_time = *time;
  };
  command
      .add_option_function<std::string>(
          "--to", assign, "End before this offset or time (default: all that was delivered)")
      ->type_name("PLACE");
}

}  // namespace

void AddSeekCommand(CLI::App& subscriptions, Context& context) {
  CLI::App* command =
      AddVerb(subscriptions, "seek", "Move a subscription in its topic's log", kSeekExamples);
  const auto flags = std::make_shared<SeekFlags>();
  command->add_option("SUBSCRIPTION", flags->name, "Its name")->required();
  command
      ->add_option("--to", flags->to,
                   "earliest, latest, an offset, a time, a duration back from now, "
                   "PARTITION:OFFSET,… or snapshot:NAME")
      ->type_name("PLACE");
  AddParsedListOption(*command, "--offset", &flags->offsets, ParsePartitionOffsets,
                      "The position in one partition; overrides --to there; may be repeated",
                      "PARTITION:OFFSET,…");
  command->add_flag("--dry-run", flags->dry_run, "Only print what would move");
  command->add_flag("--no-snapshot", flags->no_snapshot, "Take no snapshot to go back to");
  command->add_flag("-y,--yes", flags->yes, "Do not ask");
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context, [&context, flags] { return Seek(context, *flags); });
}

void AddReplayCommand(CLI::App& subscriptions, Context& context) {
  CLI::App* command =
      AddVerb(subscriptions, "replay", "Deliver a range of the log again", kReplayExamples);
  const auto flags = std::make_shared<ReplayFlags>();
  command->add_option("SUBSCRIPTION", flags->name, "Its name")->required();
  const auto parse = [&flags = *flags](absl::string_view text) {
    return ParseReplayStart(text, flags);
  };
  AddParsedOption(*command, "--from", &flags->from, parse,
                  "earliest, an offset, PARTITION:OFFSET, a time, or a duration back from now",
                  "PLACE");
  AddStopOption(*command, *flags);
  AddParsedListOption(*command, "-p,--partition", &flags->spec.partitions, ParsePartition,
                      "Only this partition; may be repeated", "N");
  AddCountOption(*command, "--rate-events", &flags->rate.events_per_second, 1,
                 std::numeric_limits<uint64_t>::max(),
                 "Maximum events per second, over all replays of the subscription");
  AddParsedOption(*command, "--rate-bytes", &flags->rate.bytes_per_second, ParseReplayRate,
                  "Maximum bytes per second, e.g. 1MiB", "SIZE");
  command->add_option("--type", flags->type, "Only events of this type")->type_name("TYPE");
  AddParsedOption(
      *command, "--filter", &flags->filter, ParseFilterOfReplay,
      "Only matching events, of those that the filter of the subscription lets pass: an "
      "expression (CloudEvents SQL) or a filter in JSON; see eventhub filter --help",
      "FILTER");
  CLI::Option* wait =
      AddParsedOption(*command, "--wait", &flags->wait, ParseAge,
                      "Then wait until the events are settled, for at most this long", "DURATION");
  CLI::Option* cancel = command->add_flag("--cancel", flags->cancel,
                                          "Cancel all replays of the subscription instead");
  wait->excludes(
      command->add_flag("--dry-run", flags->dry_run, "Only print what would be delivered"));
  // --cancel always cancels all replays: none of these options would limit it.
  for (const char* other : {"--from", "--to", "--partition", "--rate-events", "--rate-bytes",
                            "--type", "--filter", "--wait", "--dry-run"}) {
    cancel->excludes(command->get_option(other));
  }
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context, [&context, flags] { return Replay(context, *flags); });
}

}  // namespace eventhub::cli
