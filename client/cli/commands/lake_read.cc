#include "client/cli/commands/lake_read.h"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/input/json.h"
#include "client/cli/input/places.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "client/cli/run/lake_repair.h"
#include "client/cli/run/line_output.h"
#include "client/cli/run/progress.h"
#include "server/lake/read/find.h"
#include "server/lake/read/topic_cursor.h"
#include "server/lake/read/verify.h"
#include "server/lake/store/open_store.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kCatExamples[] = R"(
Prints events as CloudEvents in JSON, one a line, with hub_partition, hub_offset and hub_append_time, ordered by append
time; a partition keeps its order. `publish --input=json` reads such lines.

Examples:
  eventhub lake --lake=/srv/lake cat --topic=orders --from=2026-03-01 --to=2026-04-01
  eventhub lake --lake=/srv/lake cat --topic=orders --partition=3 --from=1200 --limit=10
  eventhub lake --lake=/srv/lake cat --topic=orders --type=order.paid | jq .data)";

constexpr char kFindExamples[] = R"(
Prints the events that have an id, a subject, or the attribute correlationid, as `cat` does; stderr says how much was
read. Exits with 1 if there are none.

Examples:
  eventhub lake --lake=/srv/lake find --id=ord-81-placed
  eventhub lake --lake=/srv/lake find --topic=orders --subject=order/81 --from=30d
  eventhub lake --lake=/srv/lake find --correlation-id=c-17 | jq -r .type)";

constexpr char kVerifyExamples[] = R"(
Reads the whole lake and proves it: the manifests leave no offset out and count none twice, every file is there with
its checksum, and its index agrees with its lines. ORPHANS are files that belong to nothing, of a hub that crashed
or that a hub is about to list; they harm nobody. Exits with 1 if anything is wrong.

--repair writes damaged and missing files again, from the log of the hub at --address, if it still has their events: only
if they become what they were, byte for byte. With --yes it also removes orphans that are older than a day.

Examples:
  eventhub lake --lake=/srv/lake verify
  eventhub lake --lake=/srv/lake verify --repair --yes
  eventhub lake --lake=/srv/lake verify --topic=orders --quick       manifests and sizes only
  eventhub lake --lake=/srv/lake verify --output=json | jq -r '.orphans[]')";

struct CatFlags {
  std::vector<uint32_t> partitions;
  int64_t from_offset = 0;
  uint64_t limit = std::numeric_limits<uint64_t>::max();
};

absl::Status Cat(const LakeFlags& flags, const CatFlags& cat) {
  if (cat.from_offset > 0 && cat.partitions.size() != 1) {
    return UsageError("lake cat: --from with an offset needs one --partition");
  }
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const lake::CatalogEntry entry, SelectTopic(lake, flags, "cat"));
  const auto manifest = lake::Manifest::Load(*lake.store, entry.topic);
  if (!manifest.ok()) return OfLake(manifest.status());
  lake::ReadRange range = RangeOf(flags);
  range.from_offset = cat.from_offset;
  lake::TopicCursor cursor(*lake.store, entry.topic, *manifest, cat.partitions, range);
  LineOutput lines;
  for (uint64_t printed = 0; printed < cat.limit; ++printed) {
    const absl::StatusOr<bool> more = cursor.Next();
    if (!more.ok()) {
      RETURN_IF_ERROR(lines.Flush());
      return OfLake(more.status());
    }
    if (!*more) break;
    RETURN_IF_ERROR(lines.Write(cursor.event().line));
  }
  return lines.Flush();
}

struct FindFlags {
  std::string id;
  std::string subject;
  std::string correlation_id;
};

absl::Status Find(const LakeFlags& flags, const FindFlags& find) {
  const int given = !find.id.empty() + !find.subject.empty() + !find.correlation_id.empty();
  if (given != 1) {
    return UsageError("lake find: give one of --id, --subject and --correlation-id");
  }
  const lake::KeyKind kind = !find.id.empty()        ? lake::KeyKind::kId
                             : !find.subject.empty() ? lake::KeyKind::kSubject
                                                     : lake::KeyKind::kCorrelationId;
  const std::string& key = !find.id.empty()        ? find.id
                           : !find.subject.empty() ? find.subject
                                                   : find.correlation_id;
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const auto topics, SelectTopics(lake, flags));
  lake::FindTally total;
  LineOutput lines;
  for (const lake::CatalogEntry& entry : topics) {
    const auto manifest = lake::Manifest::Load(*lake.store, entry.topic);
    if (!manifest.ok()) return OfLake(manifest.status());
    const auto tally =
        lake::FindEvents(*lake.store, entry.topic, *manifest, kind, key, RangeOf(flags),
                         [&lines](const lake::LakeEvent& event) -> absl::StatusOr<bool> {
                           RETURN_IF_ERROR(lines.Write(event.line));
                           return true;
                         });
    if (!tally.ok()) {
      RETURN_IF_ERROR(lines.Flush());
      return OfLake(tally.status());
    }
    total.events += tally->events;
    total.objects += tally->objects;
    total.frames += tally->frames;
    total.bytes_read += tally->bytes_read;
    total.bytes += tally->bytes;
  }
  RETURN_IF_ERROR(lines.Flush());
  std::fprintf(stderr, "found %s; read %s of %s in %s\n", CountOf(total.events, "event").c_str(),
               FormatBytes(total.bytes_read).c_str(), FormatBytes(total.bytes).c_str(),
               CountOf(total.objects, "file").c_str());
  return total.events > 0 ? absl::OkStatus() : SilentFailure();
}

Json ReportJson(const lake::CatalogEntry& entry, const lake::VerifyReport& report) {
  Json orphans = Json::array();
  for (const lake::ObjectInfo& orphan : report.orphans) orphans.push_back(orphan.name);
  return {{"topic", entry.topic.name},
          {"directory", entry.topic.directory},
          {"objects", report.objects},
          {"events", report.events},
          {"bytes", report.bytes},
          {"raw_bytes", report.raw_bytes},
          {"copies", report.copies},
          {"dropped_offsets", report.dropped_offsets},
          {"problem_count", report.problem_count},
          {"problems", report.problems},
          {"orphan_count", report.orphan_count},
          {"orphan_bytes", report.orphan_bytes},
          {"orphans", orphans}};
}

struct VerifyFlags {
  bool quick = false;
  bool repair = false;
  bool yes = false;
};

// Repairs, and checks again what was damaged.
absl::Status Repair(const LakeFlags& flags, const VerifyFlags& verify, const Context& context,
                    const lake::CatalogEntry& entry, lake::VerifyReport* report,
                    RepairTally* tally) {
  const auto store = lake::OpenObjectStore(flags.lake, lake::StoreAccess::kWrite);
  if (!store.ok()) return store.status();
  RETURN_IF_ERROR(RepairTopic(**store, entry.topic, *report, context, verify.yes, tally));
  lake::VerifyReport again;
  RETURN_IF_ERROR(lake::VerifyTopic(**store, entry.topic, {.contents = !verify.quick}, &again));
  *report = std::move(again);
  return absl::OkStatus();
}

absl::Status Verify(const LakeFlags& flags, const VerifyFlags& verify, const Context& context) {
  if (verify.yes && !verify.repair) return UsageError("lake verify: --yes is for --repair");
  const bool quick = verify.quick;
  RepairTally tally;
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const auto topics, SelectTopics(lake, flags));
  Table table({"TOPIC", ">FILES", ">EVENTS", ">RAW", ">DROPPED", ">ORPHANS", ">PROBLEMS"});
  std::string json;
  std::string problems;
  uint64_t problem_count = 0;
  std::atomic<uint64_t> events{0};
  std::atomic<uint64_t> bytes{0};
  EventProgress progress(!flags.json, [&] { return Flow{.events = events, .bytes = bytes}; });
  for (const lake::CatalogEntry& entry : topics) {
    lake::VerifyReport report;
    lake::VerifyOptions options{.contents = !quick};
    options.progress = [&, before = events.load(),
                        bytes_before = bytes.load()](const lake::VerifyReport& so_far) {
      events = before + so_far.events;
      bytes = bytes_before + so_far.raw_bytes;
      return true;
    };
    const absl::Status read = lake::VerifyTopic(*lake.store, entry.topic, options, &report);
    if (!read.ok()) return OfLake(read);
    if (verify.repair && (!report.damaged.empty() || report.orphan_count > 0)) {
      const absl::Status repaired = Repair(flags, verify, context, entry, &report, &tally);
      if (!repaired.ok()) return OfLake(repaired);
    }
    problem_count += report.problem_count;
    absl::StrAppend(&json,
                    ReportJson(entry, report).dump(-1, ' ', false, Json::error_handler_t::replace),
                    "\n");
    const std::string& directory = entry.topic.directory;
    table.AddRow({Printable(directory.substr(directory.find('=') + 1)), FormatCount(report.objects),
                  FormatCount(report.events), FormatBytes(report.raw_bytes),
                  FormatCount(report.dropped_offsets), FormatCount(report.orphan_count),
                  FormatCount(report.problem_count)});
    for (const std::string& problem : report.problems) {
      absl::StrAppend(&problems, "problem: ", Printable(problem), "\n");
    }
  }
  progress.Finish();
  RETURN_IF_ERROR(WriteOut(flags.json ? json : absl::StrCat(table.Render(), problems)));
  if (!flags.json) std::fprintf(stderr, "read %s\n", progress.Summary().c_str());
  if (verify.repair) {
    std::fprintf(stderr, "%srebuilt %s, removed %s\n", tally.text.c_str(),
                 CountOf(tally.rebuilt, "file").c_str(), CountOf(tally.removed, "orphan").c_str());
    if (tally.removable > 0) {
      std::fprintf(stderr, "--yes removes %s\n", CountOf(tally.removable, "orphan").c_str());
    }
  }
  if (problem_count == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the lake has ", CountOf(problem_count, "problem")));
}

// An offset, or a moment.
void AddFromOption(CLI::App& command, LakeFlags& flags, CatFlags& cat) {
  const auto assign = [&flags, &cat](const std::string& text) {
    absl::Status status;
    if (IsNumber(text)) {
      const absl::StatusOr<int64_t> offset = ParseOffset(text);
      if (offset.ok()) cat.from_offset = *offset;
      status = offset.status();
    } else {
      const absl::StatusOr<absl::Time> time = ParseMoment(text, Clock::System().Now());
      if (time.ok()) flags.from = *time;
      status = time.status();
    }
    // Callbacks report errors to the library by this exception.
    if (!status.ok()) throw CLI::ValidationError("--from", std::string(status.message()));
  };
  command
      .add_option_function<std::string>(
          "--from", assign,
          "Begin at a time, a duration back from now, or, with --partition, an offset")
      ->type_name("PLACE");
}

void AddToOption(CLI::App& command, LakeFlags& flags) {
  AddParsedOption(
      command, "--to", &flags.to,
      [](absl::string_view text) { return ParseMoment(text, Clock::System().Now()); },
      "Stop before this time", "TIME");
}

}  // namespace

void AddLakeReadCommands(CLI::App& group, Context& context, std::shared_ptr<LakeFlags> flags) {
  const auto add_common = [&flags](CLI::App& command) {
    command.add_option("--topic", flags->topic, "The topic, or its directory without `topic=`")
        ->type_name("TOPIC");
    command.add_option("--type", flags->type, "Only events of this type")->type_name("TYPE");
  };
  CLI::App* cat = AddVerb(group, "cat", "Print events", kCatExamples);
  const auto cat_flags = std::make_shared<CatFlags>();
  add_common(*cat);
  AddFromOption(*cat, *flags, *cat_flags);
  AddToOption(*cat, *flags);
  AddParsedListOption(*cat, "-p,--partition", &cat_flags->partitions, ParsePartition,
                      "Only this partition; may be repeated", "N");
  AddCountOption(*cat, "-n,--limit", &cat_flags->limit, 1, cat_flags->limit,
                 "Stop after this many events");
  SetRun(*cat, context, [flags, cat_flags] { return Cat(*flags, *cat_flags); });

  CLI::App* find = AddVerb(group, "find", "Find events by a key", kFindExamples);
  const auto find_flags = std::make_shared<FindFlags>();
  add_common(*find);
  find->add_option("--id", find_flags->id, "The id of the event")->type_name("ID");
  find->add_option("--subject", find_flags->subject, "The subject")->type_name("SUBJECT");
  find->add_option("--correlation-id", find_flags->correlation_id, "The attribute correlationid")
      ->type_name("ID");
  AddParsedOption(
      *find, "--from", &flags->from,
      [](absl::string_view text) { return ParseMoment(text, Clock::System().Now()); },
      "Appended at this time or later", "TIME");
  AddToOption(*find, *flags);
  SetRun(*find, context, [flags, find_flags] { return Find(*flags, *find_flags); });

  CLI::App* verify = AddVerb(group, "verify", "Prove that the lake is whole", kVerifyExamples);
  const auto verify_flags = std::make_shared<VerifyFlags>();
  verify->add_option("--topic", flags->topic, "Only this topic")->type_name("TOPIC");
  verify->add_flag("--quick", verify_flags->quick,
                   "Check manifests, names and sizes, and read no files");
  verify->add_flag("--repair", verify_flags->repair,
                   "Write damaged files again, from the log of the hub");
  verify->add_flag("--yes", verify_flags->yes, "With --repair: remove old orphans");
  AddOutputOption(*verify, &flags->json);
  SetRun(*verify, context,
         [flags, verify_flags, &context] { return Verify(*flags, *verify_flags, context); });
}

}  // namespace eventhub::cli
