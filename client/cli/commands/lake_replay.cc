#include "client/cli/commands/lake_replay.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/json.h"
#include "client/cli/input/places.h"
#include "client/cli/input/units.h"
#include "client/cli/output/shell_command.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/line_output.h"
#include "client/cli/run/pacer.h"
#include "client/cli/run/progress.h"
#include "client/cli/run/replay_target.h"
#include "client/cli/run/replay_wait.h"
#include "eventhub/admin_client.h"
#include "eventhub/error.h"
#include "eventhub/subscription_client.h"
#include "server/filter/filter.h"
#include "server/lake/object/key_filter.h"
#include "server/lake/read/count.h"
#include "server/lake/read/topic_cursor.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kReplayFromLakeExamples[] = R"(
Replays events of a lake to standard output, as `cat` prints them, into a topic of a hub, or to one subscription of the
topic. Without --yes, only tells what would be replayed: events by type, bytes, the time that they span, and the time
that it takes.

To a subscription (--to-subscription), the hub delivers the events again, marked as replayed, besides its live events,
and this command shows the progress. The replay goes on without it, and over restarts of the hub, until the events are
settled, or `eventhub subscriptions replay NAME --cancel` ends it. The filter of the subscription applies, too. The hub
reads its own lake: see --lake of eventhubd.

In a topic, events keep their partition, id, source, time and data, and have the attributes replaytopic, replayoffset
(PARTITION:OFFSET) and replaytime, which say where they come from, and replayjob. Each event is appended exactly once:
after a failure, a Ctrl-C or a crash the same command goes on where it was, as the topic itself shows. The topic must
have no other events; it is created if it does not exist.

Standard output is ordered by append time, partition and offset. To go on after the last line that arrived, give its
hub_append_time, hub_partition and hub_offset as --after.

Examples:
  eventhub lake --lake=/srv/lake replay orders --from=2026-03-01 --to=2026-04-01
  eventhub lake --lake=/srv/lake replay orders --from=2026-03-01 --to=2026-04-01 --into=orders.march --yes
  eventhub lake --lake=/srv/lake replay orders --from=2026-03-01 --to=2026-04-01 --to-subscription=billing --yes
  eventhub lake --lake=/srv/lake replay orders --filter="subject LIKE 'eu/%'" --into=eu --rate-events=500 --yes
  eventhub lake --lake=/srv/lake replay orders --from=3:1200 --to=3:1300 --yes | jq .data
  eventhub lake --lake=/srv/lake replay orders --after=2026-03-01T12:00:00.5Z/3/1200 --yes)";

// How many events are read between two measurements.
constexpr uint64_t kMeasureEvery = 256;
// How long reading is measured to tell how long it will take.
constexpr absl::Duration kSample = absl::Milliseconds(300);
// How often a replay that finds others appending to its topic begins again.
constexpr int kMaxAttempts = 3;

struct LakeReplayFlags {
  std::vector<uint32_t> partitions;
  std::vector<uint32_t> places_of;  // Partitions of --from and --to that are PARTITION:OFFSET.
  int64_t from_offset = 0;
  int64_t to_offset = std::numeric_limits<int64_t>::max();
  std::optional<v1::Filter> filter;
  std::optional<lake::EventPosition> after;
  std::string into;
  std::string to_subscription;
  client::RateLimit rate;
  bool yes = false;
};

// What is replayed: everything but where to.
struct Selection {
  lake::CatalogEntry entry;
  lake::Manifest manifest;
  lake::ReadRange range;
  std::vector<uint32_t> partitions;
  std::optional<lake::EventPosition> after;
};

std::string TitleOf(const lake::CatalogEntry& entry) {
  const std::string& directory = entry.topic.directory;
  return directory.substr(directory.find('=') + 1);
}

std::string PositionText(const lake::EventPosition& position) {
  return absl::StrCat(FormatMoment(absl::FromUnixMicros(position.append_micros)), "/",
                      position.partition, "/", position.offset);
}

absl::StatusOr<lake::EventPosition> ParsePosition(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  lake::EventPosition position;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[1], &position.partition) &&
      absl::SimpleAtoi(parts[2], &position.offset) && position.offset >= 0) {
    const absl::StatusOr<absl::Time> time = ParseMoment(parts[0], Clock::System().Now());
    if (time.ok()) {
      position.append_micros = absl::ToUnixMicros(*time);
      return position;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not APPENDTIME/PARTITION/OFFSET of an event"));
}

// Identifies what is replayed, for a topic that has some of it. Where the selection has no end, it
// grows with the lake.
std::string JobOf(const Selection& selection, const LakeReplayFlags& flags) {
  std::string text =
      absl::StrCat(selection.entry.topic.identity.hub, "\n", selection.entry.topic.directory, "\n");
  const lake::ReadRange& range = selection.range;
  absl::StrAppend(&text, range.from_offset, "\n", range.to_offset, "\n", range.from_micros, "\n",
                  range.to_micros, "\n", range.type.size(), "\n", range.type, "\n");
  for (const uint32_t partition : selection.partitions) absl::StrAppend(&text, partition, ",");
  if (flags.filter) absl::StrAppend(&text, "\n", flags.filter->SerializeAsString());
  return absl::StrFormat("%016x", lake::HashOfLakeKey(text));
}

// The command that does the same again at any time: times are absolute.
std::string CommandOf(const LakeFlags& common, const LakeReplayFlags& flags,
                      const Selection& selection) {
  std::vector<std::string> words = {"eventhub", "lake", absl::StrCat("--lake=", common.lake),
                                    "replay", TitleOf(selection.entry)};
  const auto add = [&words](absl::string_view name, absl::string_view value) {
    words.push_back(absl::StrCat("--", name, "=", value));
  };
  for (const uint32_t partition : selection.partitions) add("partition", absl::StrCat(partition));
  if (flags.from_offset > 0) add("from", absl::StrCat(flags.from_offset));
  if (common.from) add("from", FormatMoment(*common.from));
  if (flags.to_offset != std::numeric_limits<int64_t>::max()) {
    add("to", absl::StrCat(flags.to_offset));
  }
  if (common.to) add("to", FormatMoment(*common.to));
  if (!common.type.empty()) add("type", common.type);
  if (flags.filter) add("filter", FilterText(*flags.filter));
  if (flags.rate.events_per_second > 0) {
    add("rate-events", absl::StrCat(flags.rate.events_per_second));
  }
  if (flags.rate.bytes_per_second > 0) {
    add("rate-bytes", FormatExactBytes(flags.rate.bytes_per_second));
  }
  if (!flags.into.empty()) add("into", flags.into);
  if (!flags.to_subscription.empty()) add("to-subscription", flags.to_subscription);
  if (selection.after) add("after", PositionText(*selection.after));
  words.push_back("--yes");
  return ShellCommand(words);
}

// `stopping` makes a filter pass everything, so that a search for the next match ends.
absl::StatusOr<Selection> Select(const OpenedLake& lake, const LakeFlags& common,
                                 const LakeReplayFlags& flags, const std::atomic<bool>& stopping) {
  Selection selection;
  ASSIGN_OR_RETURN(selection.entry, SelectTopic(lake, common, "replay"));
  auto manifest = lake::Manifest::Load(*lake.store, selection.entry.topic);
  if (!manifest.ok()) return OfLake(manifest.status());
  selection.manifest = *std::move(manifest);
  selection.partitions = flags.partitions;
  for (const uint32_t partition : flags.places_of) {
    if (selection.partitions.empty()) selection.partitions.push_back(partition);
    if (selection.partitions != std::vector<uint32_t>{partition}) {
      return UsageError(
          "lake replay: PARTITION:OFFSET is a position in one partition, but several are named");
    }
  }
  std::sort(selection.partitions.begin(), selection.partitions.end());
  for (const uint32_t partition : selection.partitions) {
    if (selection.manifest.archived().contains(partition)) continue;
    return absl::NotFoundError(absl::StrCat("topic '", TitleOf(selection.entry),
                                            "' has no partition ", partition, " in the lake"));
  }
  selection.range = RangeOf(common);
  selection.range.from_offset = flags.from_offset;
  selection.range.to_offset = flags.to_offset;
  if (flags.filter) {
    const absl::StatusOr<CompiledFilter> filter = CompileFilter(*flags.filter, "--filter");
    if (!filter.ok()) return UsageError(filter.status().message());
    selection.range.matches = [filter = *filter, &stopping](absl::string_view encoded) {
      return stopping.load(std::memory_order_relaxed) || filter.Matches(encoded);
    };
  }
  if (flags.after) {
    selection.after = flags.after;
    selection.range.from_micros = std::max(selection.range.from_micros, flags.after->append_micros);
  }
  return selection;
}

bool IsAfter(const lake::EventPosition& position, const lake::EventPosition& other) {
  const auto key = [](const lake::EventPosition& at) {
    return std::tuple(at.append_micros, at.partition, at.offset);
  };
  return key(position) > key(other);
}

struct Plan {
  lake::TypeCounts counts;
  absl::Duration reading;  // About how long it takes to read all.
};

// Counts what is selected, and measures how fast it is read.
absl::StatusOr<Plan> MakePlan(const OpenedLake& lake, const Selection& selection,
                              const std::atomic<bool>& stopping) {
  Plan plan;
  std::atomic<uint64_t> read{0};
  lake::CountOptions options{.partitions = selection.partitions};
  options.progress = [&read, &stopping](uint64_t raw_bytes) {
    read = raw_bytes;
    return !stopping;
  };
  const absl::Duration start = Clock::System().Monotonic();
  {
    const ProgressLine line(absl::Seconds(1), [&read](absl::Duration took) {
      return absl::StrCat("counting, ", FormatRoughAge(took), ", read ", FormatBytes(read));
    });
    auto counts = lake::CountByType(*lake.store, selection.entry.topic, selection.manifest,
                                    selection.range, options);
    if (!counts.ok()) return OfLake(counts.status());
    plan.counts = *std::move(counts);
  }
  const absl::Duration took = Clock::System().Monotonic() - start;
  if (selection.range.matches != nullptr) {
    plan.reading = took;
    return plan;
  }
  lake::TopicCursor cursor(*lake.store, selection.entry.topic, selection.manifest,
                           selection.partitions, selection.range);
  const absl::Duration sample = Clock::System().Monotonic();
  absl::Duration sampled;
  uint64_t bytes = 0;
  for (uint64_t events = 1;; ++events) {
    const absl::StatusOr<bool> more = cursor.Next();
    if (!more.ok()) return OfLake(more.status());
    if (!*more) break;
    bytes += cursor.event().line.size();
    if (events % kMeasureEvery != 0) continue;
    if (Clock::System().Monotonic() - sample > kSample) break;
  }
  sampled = Clock::System().Monotonic() - sample;
  if (bytes > 0) {
    plan.reading = sampled * std::max(1.0, static_cast<double>(plan.counts.raw_bytes) /
                                               static_cast<double>(bytes));
  }
  return plan;
}

std::string TimeOf(const Plan& plan, const LakeReplayFlags& flags) {
  const absl::Duration paced = TimeUnder(flags.rate, plan.counts.total, plan.counts.raw_bytes);
  return FormatRoughAge(std::max({paced, plan.reading, absl::Milliseconds(1)}));
}

absl::Status Describe(const Plan& plan, const LakeReplayFlags& flags, const LakeFlags& common,
                      const Selection& selection) {
  const lake::TypeCounts& counts = plan.counts;
  if (common.json) {
    Json types = Json::object();
    for (const auto& [type, events] : counts.events) types[type] = events;
    const absl::Duration paced = TimeUnder(flags.rate, counts.total, counts.raw_bytes);
    Json json{{"topic", selection.entry.topic.name},
              {"directory", selection.entry.topic.directory},
              {"events", counts.total},
              {"raw_bytes", counts.raw_bytes},
              {"types", types},
              {"seconds", absl::ToDoubleSeconds(std::max(paced, plan.reading))}};
    if (counts.total > 0) {
      json["first_append_time"] = FormatMoment(absl::FromUnixMicros(counts.first_micros));
      json["last_append_time"] = FormatMoment(absl::FromUnixMicros(counts.last_micros));
    }
    return WriteOut(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  Table table({"TYPE", ">EVENTS"});
  for (const auto& [type, events] : counts.events) {
    table.AddRow({Printable(type), FormatCount(events)});
  }
  std::string text = table.Render();
  absl::StrAppend(&text, CountOf(counts.total, "event"), ", ", FormatBytes(counts.raw_bytes));
  if (counts.total > 0) {
    absl::StrAppend(&text, ", from ", FormatSecond(absl::FromUnixMicros(counts.first_micros)),
                    " to ", FormatSecond(absl::FromUnixMicros(counts.last_micros)), "; takes ",
                    flags.into.empty() && flags.to_subscription.empty() ? "about " : "at least ",
                    TimeOf(plan, flags));
  }
  absl::StrAppend(&text, "\nnothing was replayed; to replay: ", CommandOf(common, flags, selection),
                  "\n");
  return WriteOut(text);
}

// Goes through the selected events; ends with CANCELLED at an interrupt.
class Replayer {
 public:
  Replayer(const OpenedLake& lake, const LakeReplayFlags& flags, const Selection& selection,
           const Interrupt& interrupt, const std::atomic<bool>& stopping)
      : lake_(lake),
        selection_(selection),
        interrupt_(interrupt),
        stopping_(stopping),
        pacer_(flags.rate),
        progress_(isatty(STDOUT_FILENO) == 0 || !flags.into.empty(), [this] {
          return Flow{.events = before_ + events_, .bytes = bytes_, .input = input_};
        }) {}

  // Begins; earlier processes have replayed `before` events.
  void Begin(uint64_t before) {
    before_ = before;
    events_ = 0;
  }
  uint64_t events() const { return before_ + events_; }
  // The last event that was passed to `take`.
  const std::optional<lake::EventPosition>& last() const { return last_; }
  EventProgress& progress() { return progress_; }

  // `flush` is called before a wait.
  template <typename Take, typename Flush>
  absl::Status Run(const std::map<uint32_t, int64_t>& starts, const Take& take,
                   const Flush& flush) {
    if (progress_.enabled()) progress_.ExpectInput(InputBytes(starts));
    lake::TopicCursor cursor(*lake_.store, selection_.entry.topic, selection_.manifest,
                             selection_.partitions, selection_.range, starts);
    for (uint64_t seen = 0;; ++seen) {
      const absl::StatusOr<bool> more = cursor.Next();
      if (stopping_) return absl::CancelledError("interrupted");
      if (!more.ok()) return OfLake(more.status());
      if (!*more) return absl::OkStatus();
      if (seen % kMeasureEvery == 0) input_ = cursor.bytes_read();
      const lake::LakeEvent& event = cursor.event();
      if (selection_.after && !IsAfter(event.position, *selection_.after)) continue;
      if (const absl::Duration wait = pacer_.Take(event.line.size()); wait > absl::ZeroDuration()) {
        RETURN_IF_ERROR(flush());
        Pacer::Wait(wait, interrupt_.fd());
        if (stopping_) return absl::CancelledError("interrupted");
      }
      RETURN_IF_ERROR(take(event));
      last_ = event.position;
      ++events_;
      bytes_ += event.line.size();
    }
  }

 private:
  // The size of the files that have something to replay.
  uint64_t InputBytes(const std::map<uint32_t, int64_t>& starts) const {
    const lake::ReadRange& range = selection_.range;
    const auto has = [&](const lake::OffsetRange& offsets) {
      const auto start = starts.find(offsets.partition());
      return offsets.begin() < range.to_offset && offsets.end() > range.from_offset &&
             (start == starts.end() || offsets.end() > start->second);
    };
    uint64_t bytes = 0;
    for (const auto& [sequence, object] : selection_.manifest.objects()) {
      if (lake::MayHave(object, range) &&
          std::any_of(object.ranges().begin(), object.ranges().end(), has)) {
        bytes += object.bytes();
      }
    }
    return bytes;
  }

  const OpenedLake& lake_;
  const Selection& selection_;
  const Interrupt& interrupt_;
  const std::atomic<bool>& stopping_;
  Pacer pacer_;
  std::optional<lake::EventPosition> last_;
  std::atomic<uint64_t> before_{0};
  std::atomic<uint64_t> events_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> input_{0};
  EventProgress progress_;  // Last: uses the members above.
};

absl::Status ReplayToOutput(const LakeFlags& common, const LakeReplayFlags& flags,
                            Selection& selection, Replayer& replayer) {
  LineOutput lines;
  std::optional<lake::EventPosition> written = selection.after;
  const auto flush = [&] {
    RETURN_IF_ERROR(lines.Flush());
    written = replayer.last() ? replayer.last() : written;
    return absl::OkStatus();
  };
  absl::Status status = replayer.Run(
      {}, [&](const lake::LakeEvent& event) { return lines.Write(event.line); }, flush);
  const absl::Status flushed = flush();
  if (status.ok()) status = flushed;
  replayer.progress().Finish();
  if (status.ok()) return status;
  selection.after = written;
  const std::string how = absl::StrCat("; to go on: ", CommandOf(common, flags, selection));
  if (absl::IsCancelled(status)) {
    return InterruptedError(
        absl::StrCat("interrupted after ", CountOf(replayer.events(), "event"), how));
  }
  return flushed.ok() ? WithMessage(status, absl::StrCat(status.message(), how)) : status;
}

absl::Status ReplayIntoTopic(const Context& context, const LakeFlags& common,
                             const LakeReplayFlags& flags, const Selection& selection,
                             Replayer& replayer, Interrupt& interrupt,
                             std::atomic<bool>& stopping) {
  const auto hub = ConnectToHub(context);
  uint32_t partitions = 1;
  for (const auto& [partition, archived] : selection.manifest.archived()) {
    partitions = std::max(partitions, partition + 1);
  }
  ReplayTargetOptions options{.topic = flags.into,
                              .source = TitleOf(selection.entry),
                              .job = JobOf(selection, flags),
                              .partitions = partitions,
                              .admin = AdminOptionsOf(context)};
  options.deadline = context.timeout.value_or(options.deadline);
  // An append that this ends may be made or not; the topic shows it.
  interrupt.OnRaise([hub, &stopping] {
    stopping = true;
    hub->CancelCalls();
  });
  absl::Status status;
  uint64_t appended = 0;
  for (int attempt = 1;; ++attempt) {
    const auto target = ReplayTarget::Open(hub, options);
    status = target.status();
    if (!status.ok()) break;
    appended = (*target)->events();
    if (appended > 0 && attempt == 1) {
      std::fprintf(stderr, "going on after %s\n", CountOf(appended, "event").c_str());
    }
    replayer.Begin(appended);
    status = replayer.Run((*target)->next_offsets(),
                          [&](const lake::LakeEvent& event) { return (*target)->Add(event); },
                          [&] { return (*target)->Flush(); });
    if (status.ok()) status = (*target)->Flush();
    appended = (*target)->events();
    // Once: an earlier process of this replay was killed with an append on its way.
    const bool moved = client::GetErrorReason(status) == client::ErrorReason::kOffsetMismatch;
    if (!moved || attempt == kMaxAttempts) break;
  }
  interrupt.OnRaise([&stopping] { stopping = true; });
  replayer.progress().Finish();
  if (status.ok()) return status;
  const std::string how = absl::StrCat("; to go on: ", CommandOf(common, flags, selection));
  if (stopping) {
    return InterruptedError(absl::StrCat("interrupted after ", CountOf(appended, "event"), how));
  }
  if (absl::IsFailedPrecondition(status) || absl::IsNotFound(status)) return status;
  // Whether the last append was made does not matter: the topic shows it.
  return WithKnownOutcome(WithMessage(status, absl::StrCat(status.message(), how)));
}

// The hub replays the history of its present topic of that name: what was selected must be that,
// not the history of a deleted topic, nor that of another hub.
absl::Status CheckHistoryOfHub(const Context& context, const lake::CatalogEntry& entry) {
  const std::string& name = entry.topic.name;
  const auto other = [&](absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the history in ", entry.topic.directory, " is not that of topic '", name,
        "' of this hub: ", why, "; to replay it nevertheless, append it to a topic (--into)"));
  };
  client::AdminClient admin = ConnectAdmin(context);
  ASSIGN_OR_RETURN(const client::HubStats stats, admin.GetStats());
  if (stats.hub_id != entry.topic.identity.hub) {
    return other(absl::StrCat("it is of hub ", entry.topic.identity.hub, ", and this is hub ",
                              stats.hub_id));
  }
  if (entry.deleted) return other("it is of a topic that was deleted");
  // Until the hub has told the lake that a topic was deleted, only the times tell.
  ASSIGN_OR_RETURN(const client::TopicDescription topic, admin.GetTopic(name));
  if (topic.topic.create_time <= entry.created) return absl::OkStatus();
  return other(absl::StrCat("the topic was created at ", FormatMoment(topic.topic.create_time),
                            ", after this history began"));
}

// The hub replays its own history: the same selection, whose preview the lake gave.
absl::Status ReplayToSubscription(const Context& context, const LakeFlags& common,
                                  const LakeReplayFlags& flags, const Selection& selection,
                                  Interrupt& interrupt) {
  const std::string& name = flags.to_subscription;
  client::SubscriptionClient client = ConnectSubscriptions(context);
  ASSIGN_OR_RETURN(const client::SubscriptionDescription description, client.GetSubscription(name));
  if (description.subscription.topic != selection.entry.topic.name) {
    return absl::FailedPreconditionError(absl::StrCat("subscription '", name, "' is one of topic '",
                                                      description.subscription.topic, "', not of '",
                                                      selection.entry.topic.name, "'"));
  }
  RETURN_IF_ERROR(CheckHistoryOfHub(context, selection.entry));
  client::ReplaySpec spec{.partitions = selection.partitions};
  spec.start = client::StartPosition::Earliest();
  if (flags.from_offset > 0) spec.start = client::StartPosition::Offset(flags.from_offset);
  if (common.from) spec.start = client::StartPosition::Timestamp(*common.from);
  if (flags.to_offset != std::numeric_limits<int64_t>::max()) spec.stop_offset = flags.to_offset;
  spec.stop_time = common.to;
  if (flags.rate.events_per_second > 0 || flags.rate.bytes_per_second > 0) {
    spec.rate_limit = flags.rate;
  }
  spec.filter = ReplayFilter(
      common.type, flags.filter ? std::optional(client::Filter(*flags.filter)) : std::nullopt);
  ASSIGN_OR_RETURN(const client::ReplayResult result,
                   WithProgress("finding the events to replay",
                                [&] { return client.Replay(name, spec, /*dry_run=*/false); }));
  std::fprintf(stderr,
               "%s of topic %s to go through; to cancel: eventhub subscriptions replay %s "
               "--cancel\n",
               CountOf(result.events, "event").c_str(), selection.entry.topic.name.c_str(),
               name.c_str());
  if (result.events == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t left, AwaitReplay(client, name, result.events,
                                                    absl::InfiniteDuration(), interrupt.fd()));
  if (left == 0) return absl::OkStatus();
  return InterruptedError(absl::StrCat("interrupted; ", CountOf(left, "event"),
                                       " left, and the replay goes on: see eventhub subscriptions "
                                       "describe ",
                                       name));
}

absl::Status ReplayFromLake(const Context& context, const LakeFlags& common,
                            const LakeReplayFlags& flags) {
  if (!flags.into.empty() && flags.after) {
    return UsageError("lake replay: --after is for standard output; a topic shows how far it is");
  }
  if (!flags.to_subscription.empty() && flags.after) {
    return UsageError("lake replay: --after is for standard output; give --from");
  }
  Interrupt interrupt;  // Before any thread is started.
  std::atomic<bool> stopping{false};
  const absl::Cleanup detach = [&interrupt] { interrupt.OnRaise(nullptr); };
  interrupt.OnRaise([&stopping] { stopping = true; });
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(common));
  ASSIGN_OR_RETURN(Selection selection, Select(lake, common, flags, stopping));
  if (!flags.yes) {
    const absl::StatusOr<Plan> plan = MakePlan(lake, selection, stopping);
    if (stopping) return InterruptedError("interrupted; nothing was replayed");
    RETURN_IF_ERROR(plan.status());
    return Describe(*plan, flags, common, selection);
  }
  if (!flags.to_subscription.empty()) {
    return ReplayToSubscription(context, common, flags, selection, interrupt);
  }
  Replayer replayer(lake, flags, selection, interrupt, stopping);
  RETURN_IF_ERROR(flags.into.empty() ? ReplayToOutput(common, flags, selection, replayer)
                                     : ReplayIntoTopic(context, common, flags, selection, replayer,
                                                       interrupt, stopping));
  std::fprintf(stderr, "replayed %s\n", replayer.progress().Summary().c_str());
  return absl::OkStatus();
}

absl::StatusOr<v1::Filter> ParseReplayFilter(absl::string_view text) { return ParseFilter(text); }

absl::StatusOr<uint64_t> ParseRate(absl::string_view text) {
  ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(text));
  if (bytes > 0) return bytes;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' would replay nothing; omit the option for no limit"));
}

// Adds an option that is an offset, PARTITION:OFFSET, or a moment.
void AddPlaceOption(CLI::App& command, const std::string& name, LakeReplayFlags& flags,
                    int64_t* offset, std::optional<absl::Time>* time,
                    const std::string& description) {
  const auto assign = [&flags, offset, time, name](const std::string& text) {
    if (const auto place = ParsePartitionOffset(text); place.ok()) {
      flags.places_of.push_back(place->partition);
      *offset = place->offset;
      return;
    }
    absl::Status status;
    if (IsNumber(text)) {
      const absl::StatusOr<int64_t> number = ParseOffset(text);
      if (number.ok()) *offset = *number;
      status = number.status();
    } else {
      const absl::StatusOr<absl::Time> moment = ParseMoment(text, Clock::System().Now());
      if (moment.ok()) *time = *moment;
      status = moment.status();
    }
    // Callbacks report errors to the library by this exception.
    if (!status.ok()) throw CLI::ValidationError(name, std::string(status.message()));
  };
  command.add_option_function<std::string>(name, assign, description)->type_name("PLACE");
}

}  // namespace

void AddLakeReplayCommand(CLI::App& group, Context& context, std::shared_ptr<LakeFlags> flags) {
  CLI::App* command = AddVerb(group, "replay",
                              "Replay events to standard output, into a topic or to a subscription",
                              kReplayFromLakeExamples);
  const auto replay = std::make_shared<LakeReplayFlags>();
  command->add_option("TOPIC", flags->topic, "The topic, or its directory without `topic=`")
      ->required();
  CLI::Option* into =
      command
          ->add_option(
              "--into", replay->into,
              "Append the events to this topic of the hub at --address; else they are printed")
          ->type_name("TOPIC");
  command
      ->add_option("--to-subscription", replay->to_subscription,
                   "Deliver the events again to this subscription of the hub at --address, which "
                   "archives the topic in this lake")
      ->type_name("NAME")
      ->excludes(into);
  AddPlaceOption(*command, "--from", *replay, &replay->from_offset, &flags->from,
                 "Begin at a time, a duration back from now, an offset, or PARTITION:OFFSET");
  AddPlaceOption(*command, "--to", *replay, &replay->to_offset, &flags->to,
                 "Stop before this time or offset");
  AddParsedOption(*command, "--after", &replay->after, ParsePosition,
                  "Go on after this event of an earlier replay to standard output",
                  "APPENDTIME/PARTITION/OFFSET");
  AddParsedListOption(*command, "-p,--partition", &replay->partitions, ParsePartition,
                      "Only this partition; may be repeated", "N");
  command->add_option("--type", flags->type, "Only events of this type")->type_name("TYPE");
  AddParsedOption(*command, "--filter", &replay->filter, ParseReplayFilter,
                  "Only matching events: an expression (CloudEvents SQL) or a filter in JSON; see "
                  "eventhub filter --help",
                  "FILTER");
  AddCountOption(*command, "--rate-events", &replay->rate.events_per_second, 1,
                 std::numeric_limits<uint64_t>::max(), "Maximum events per second");
  AddParsedOption(*command, "--rate-bytes", &replay->rate.bytes_per_second, ParseRate,
                  "Maximum bytes per second, e.g. 1MiB", "SIZE");
  command->add_flag("-y,--yes", replay->yes, "Replay, instead of telling what would be replayed");
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context,
         [&context, flags, replay] { return ReplayFromLake(context, *flags, *replay); });
}

}  // namespace eventhub::cli
