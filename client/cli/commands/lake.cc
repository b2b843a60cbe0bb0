// `eventhub lake`: what is in an event lake, without a hub.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/commands/lake_columns.h"
#include "client/cli/commands/lake_read.h"
#include "client/cli/commands/lake_replay.h"
#include "client/cli/commands/lake_restore.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "client/cli/run/open_lake.h"
#include "server/lake/manifest/columns.h"
#include "server/lake/read/count.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kLakeExamples[] = R"(
A lake is where a hub keeps the history of its topics: a directory with files of JSON lines, which other tools read
as they are. These commands need no hub.

Examples:
  eventhub lake --lake=/srv/lake ls
  eventhub lake --lake=/srv/lake cat --topic=orders --from=2026-03-01 --to=2026-04-01 | jq .data
  eventhub lake --lake=/srv/lake find --topic=orders --id=ord-81-placed
  eventhub lake --lake=/srv/lake verify
  zstdcat /srv/lake/topic=orders/date=2026-03-01/*/*.zst | jq .type)";

constexpr char kListLakeExamples[] = R"(
EVENTS, RAW and STORED count what is archived; RAW is the size of the lines, STORED that of the files.
A topic that was deleted keeps its history; one that was created again has a directory of its own.

Examples:
  eventhub lake --lake=/srv/lake ls
  eventhub lake --lake=/srv/lake ls --output=json | jq -r .directory)";

constexpr char kFilesExamples[] = R"(
Prints the files that have the events of a time, one a line, as the manifest lists them. Other files in the
directories may hold the same events again.

Examples:
  eventhub lake --lake=/srv/lake files --topic=orders --from=2026-03-01 --to=2026-03-02
  zstdcat $(eventhub lake --lake=/srv/lake files --topic=orders --from=1d) | jq .type
  eventhub lake --lake=/srv/lake files --output=json | jq .bytes)";

constexpr char kCountExamples[] = R"(
Counts by the manifest; reads only files that begin before, or end after, the given time.

Examples:
  eventhub lake --lake=/srv/lake count
  eventhub lake --lake=/srv/lake count --topic=orders --from=2026-03-01 --to=2026-04-01)";

constexpr char kLakeStatsExamples[] = R"(
RATIO is RAW by STORED. DAY and WEEK are what was added, as stored, in the last 24 hours and 7 days. DROPPED counts
offsets that retention removed before they were archived. COPIED counts the days that are over and have an up-to-date
Parquet file, of those that are over: see eventhub lake columns.

Examples:
  eventhub lake --lake=/srv/lake stats
  eventhub lake --lake=/srv/lake stats --topic=orders --output=json)";

// What a manifest says of a topic.
struct TopicTotals {
  uint64_t objects = 0;
  uint64_t events = 0;
  uint64_t raw_bytes = 0;
  uint64_t bytes = 0;
  uint64_t day_bytes = 0;
  uint64_t week_bytes = 0;
  uint64_t dropped = 0;
  size_t partitions = 0;
  int64_t first_micros = 0;  // If there are events.
  int64_t last_micros = 0;
};

// The days of a topic that are over, and those of them that have an up-to-date columnar copy.
struct CopiedDays {
  uint64_t copied = 0;
  uint64_t closed = 0;
};

absl::StatusOr<CopiedDays> CountCopies(const lake::ObjectStore& store, const lake::LakeTopic& topic,
                                       const lake::Manifest& manifest, absl::Time now) {
  ASSIGN_OR_RETURN(const lake::Columns columns, lake::Columns::Load(store, topic));
  CopiedDays days;
  for (const auto& [day, objects] : lake::DaysOf(manifest)) {
    if (!lake::IsClosedDay(day, now) || objects.events == 0) continue;
    ++days.closed;
    const auto copy = columns.copies().find(day);
    if (copy != columns.copies().end() && lake::IsCurrent(copy->second, objects)) ++days.copied;
  }
  return days;
}

TopicTotals TotalsOf(const lake::Manifest& manifest, absl::Time now) {
  TopicTotals totals;
  totals.partitions = manifest.archived().size();
  const int64_t day = absl::ToUnixMicros(now - absl::Hours(24));
  const int64_t week = absl::ToUnixMicros(now - absl::Hours(7 * 24));
  for (const auto& [sequence, object] : manifest.objects()) {
    ++totals.objects;
    totals.raw_bytes += object.raw_bytes();
    totals.bytes += object.bytes();
    if (object.events() == 0) continue;
    const bool first = totals.events == 0;
    totals.events += object.events();
    totals.first_micros = first ? object.first_append_micros()
                                : std::min(totals.first_micros, object.first_append_micros());
    totals.last_micros = std::max(totals.last_micros, object.last_append_micros());
    if (object.last_append_micros() >= day) totals.day_bytes += object.bytes();
    if (object.last_append_micros() >= week) totals.week_bytes += object.bytes();
  }
  for (const lake::SkippedRange& skipped : manifest.skipped()) {
    if (skipped.reason() != lake::SkippedRange::DROPPED) continue;
    totals.dropped += static_cast<uint64_t>(skipped.end() - skipped.begin());
  }
  return totals;
}

std::string Ratio(const TopicTotals& totals) {
  if (totals.bytes == 0) return "-";
  return absl::StrFormat("%.1f",
                         static_cast<double>(totals.raw_bytes) / static_cast<double>(totals.bytes));
}

std::string MomentOf(int64_t micros) { return FormatSecond(absl::FromUnixMicros(micros)); }

// As people call it on the command line.
std::string TopicTitle(const lake::CatalogEntry& entry) {
  const std::string& directory = entry.topic.directory;
  return directory.substr(directory.find('=') + 1);
}

Json TotalsJson(const lake::CatalogEntry& entry, const TopicTotals& totals) {
  Json json{{"topic", entry.topic.name},
            {"directory", entry.topic.directory},
            {"hub", entry.topic.identity.hub},
            {"topic_id", entry.topic.identity.id},
            {"created", FormatMoment(entry.created)}};
  if (entry.deleted) json["deleted"] = FormatMoment(*entry.deleted);
  json["partitions"] = totals.partitions;
  json["objects"] = totals.objects;
  json["events"] = totals.events;
  json["raw_bytes"] = totals.raw_bytes;
  json["bytes"] = totals.bytes;
  json["day_bytes"] = totals.day_bytes;
  json["week_bytes"] = totals.week_bytes;
  json["dropped_offsets"] = totals.dropped;
  if (totals.events > 0) {
    json["first_append_time"] = FormatMoment(absl::FromUnixMicros(totals.first_micros));
    json["last_append_time"] = FormatMoment(absl::FromUnixMicros(totals.last_micros));
  }
  return json;
}

// Calls `visit` with each selected topic, and what its manifest says.
template <typename Visit>
absl::Status ForEachTopic(const LakeFlags& flags, const Visit& visit) {
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const auto topics, SelectTopics(lake, flags));
  const absl::Time now = Clock::System().Now();
  for (const lake::CatalogEntry& entry : topics) {
    const auto manifest = lake::Manifest::Load(*lake.store, entry.topic);
    if (!manifest.ok()) return OfLake(manifest.status());
    RETURN_IF_ERROR(visit(*lake.store, entry, *manifest, now));
  }
  return absl::OkStatus();
}

absl::Status ListTopics(const LakeFlags& flags) {
  Table table({"TOPIC", ">EVENTS", ">RAW", ">STORED", ">RATIO", "FIRST", "LAST", "NOTE"});
  std::string json;
  RETURN_IF_ERROR(ForEachTopic(flags, [&](const lake::ObjectStore&, const lake::CatalogEntry& entry,
                                          const lake::Manifest& manifest, absl::Time now) {
    const TopicTotals totals = TotalsOf(manifest, now);
    absl::StrAppend(&json, TotalsJson(entry, totals).dump(), "\n");
    const bool empty = totals.events == 0;
    table.AddRow({Printable(TopicTitle(entry)), FormatCount(totals.events),
                  FormatBytes(totals.raw_bytes), FormatBytes(totals.bytes), Ratio(totals),
                  empty ? "-" : MomentOf(totals.first_micros),
                  empty ? "-" : MomentOf(totals.last_micros), entry.deleted ? "deleted" : ""});
    return absl::OkStatus();
  }));
  return WriteOut(flags.json ? json : table.Render());
}

absl::Status LakeStats(const LakeFlags& flags) {
  Table table({"TOPIC", ">FILES", ">EVENTS", ">RAW", ">STORED", ">RATIO", ">FILE", ">DAY", ">WEEK",
               ">DROPPED", ">COPIED"});
  std::string json;
  RETURN_IF_ERROR(ForEachTopic(
      flags,
      [&](const lake::ObjectStore& store, const lake::CatalogEntry& entry,
          const lake::Manifest& manifest, absl::Time now) -> absl::Status {
        const TopicTotals totals = TotalsOf(manifest, now);
        const auto days = CountCopies(store, entry.topic, manifest, now);
        if (!days.ok()) return OfLake(days.status());
        Json row = TotalsJson(entry, totals);
        row["copied_days"] = days->copied;
        row["closed_days"] = days->closed;
        absl::StrAppend(&json, row.dump(), "\n");
        table.AddRow({Printable(TopicTitle(entry)), FormatCount(totals.objects),
                      FormatCount(totals.events), FormatBytes(totals.raw_bytes),
                      FormatBytes(totals.bytes), Ratio(totals),
                      totals.objects == 0 ? "-" : FormatBytes(totals.bytes / totals.objects),
                      FormatBytes(totals.day_bytes), FormatBytes(totals.week_bytes),
                      FormatCount(totals.dropped), absl::StrCat(days->copied, "/", days->closed)});
        return absl::OkStatus();
      }));
  return WriteOut(flags.json ? json : table.Render());
}

absl::Status ListFiles(const LakeFlags& flags) {
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const auto topics, SelectTopics(lake, flags));
  const lake::ReadRange range = RangeOf(flags);
  std::string out;
  for (const lake::CatalogEntry& entry : topics) {
    const auto manifest = lake::Manifest::Load(*lake.store, entry.topic);
    if (!manifest.ok()) return OfLake(manifest.status());
    for (const auto& [sequence, object] : manifest->objects()) {
      if (!lake::MayHave(object, range)) continue;
      const std::string file =
          absl::StrCat(lake.store->Describe(), "/", lake::ObjectName(entry.topic, object));
      if (!flags.json) {
        absl::StrAppend(&out, file, "\n");
        continue;
      }
      const Json json{
          {"file", file},
          {"topic", entry.topic.name},
          {"bytes", object.bytes()},
          {"raw_bytes", object.raw_bytes()},
          {"events", object.events()},
          {"first_append_time", FormatMoment(absl::FromUnixMicros(object.first_append_micros()))},
          {"last_append_time", FormatMoment(absl::FromUnixMicros(object.last_append_micros()))}};
      absl::StrAppend(&out, json.dump(), "\n");
    }
  }
  return WriteOut(out);
}

absl::Status Count(const LakeFlags& flags) {
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const auto topics, SelectTopics(lake, flags));
  Table table({"TOPIC", "TYPE", ">EVENTS"});
  std::string json;
  for (const lake::CatalogEntry& entry : topics) {
    const auto manifest = lake::Manifest::Load(*lake.store, entry.topic);
    if (!manifest.ok()) return OfLake(manifest.status());
    const auto counts = lake::CountByType(*lake.store, entry.topic, *manifest, RangeOf(flags));
    if (!counts.ok()) return OfLake(counts.status());
    for (const auto& [type, events] : counts->events) {
      table.AddRow({Printable(TopicTitle(entry)), Printable(type), FormatCount(events)});
      const Json row{{"topic", entry.topic.name},
                     {"directory", entry.topic.directory},
                     {"type", type},
                     {"events", events}};
      absl::StrAppend(&json, row.dump(-1, ' ', false, Json::error_handler_t::replace), "\n");
    }
  }
  return WriteOut(flags.json ? json : table.Render());
}

absl::StatusOr<absl::Time> ParsePast(absl::string_view text) {
  return ParseMoment(text, Clock::System().Now());
}

void AddTopicOption(CLI::App& command, LakeFlags& flags) {
  command
      .add_option("--topic", flags.topic,
                  "A topic, or its directory without `topic=`, such as orders@7")
      ->type_name("TOPIC");
}

void AddTimeOptions(CLI::App& command, LakeFlags& flags) {
  AddParsedOption(command, "--from", &flags.from, ParsePast,
                  "Appended at this time or later: a time, a date, or a duration back from now",
                  "TIME");
  AddParsedOption(command, "--to", &flags.to, ParsePast, "Appended before this time", "TIME");
}

}  // namespace

void AddLakeCommand(CLI::App& app, Context& context) {
  CLI::App* group =
      AddGroup(app, "lake", "Read the history of topics without a hub", kLakeExamples);
  const auto flags = std::make_shared<LakeFlags>();
  group->add_option("--lake", flags->lake, "The directory of the lake, or s3://BUCKET/PREFIX")
      ->type_name("LAKE");
  const auto add = [&](const char* verb, const char* description, const char* examples,
                       absl::Status (*run)(const LakeFlags&)) {
    CLI::App* command = AddVerb(*group, verb, description, examples);
    AddTopicOption(*command, *flags);
    AddOutputOption(*command, &flags->json);
    SetRun(*command, context, [flags, run] { return run(*flags); });
    return command;
  };
  add("ls", "List the topics with their sizes", kListLakeExamples, ListTopics);
  AddTimeOptions(*add("files", "List the files to read", kFilesExamples, ListFiles), *flags);
  CLI::App* count = add("count", "Count the events by type", kCountExamples, Count);
  AddTimeOptions(*count, *flags);
  add("stats", "Show sizes, compression and growth", kLakeStatsExamples, LakeStats);
  AddLakeReadCommands(*group, context, flags);
  AddLakeReplayCommand(*group, context, flags);
  AddLakeRestoreCommand(*group, context, flags);
  AddLakeColumnsCommands(*group, context, flags);
}

}  // namespace eventhub::cli
