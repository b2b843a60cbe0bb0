#include "client/cli/commands/lake_columns.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/input/json.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "server/lake/columns/duckdb.h"
#include "server/lake/columns/event_columns.h"
#include "server/lake/columns/local_files.h"
#include "server/lake/columns/make_copy.h"
#include "server/lake/manifest/columns.h"
#include "server/lake/store/open_store.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kColumnsExamples[] = R"(
Copies each day of a topic that is over into one Parquet file, sorted by append time, and lists it beside the manifest.
Days that are copied already, and have no more events since, are passed over. The objects stay: the copies make queries
faster, and other programs read them as well. Run it once a day, on any machine that reaches the lake; it needs no hub,
and a hub needs nothing of it. If it fails, run it again.

Needs DuckDB's library, libduckdb.so, where the system finds it or at --duckdb; npm's @duckdb/node-bindings-linux-x64
has it.

Examples:
  eventhub lake --lake=/srv/lake columns
  eventhub lake --lake=s3://facts/hub-1 columns --topic=orders --memory=2GiB --temp=/var/tmp
  duckdb -c "SELECT type, count(*) FROM '/srv/lake/topic=orders/_columns/*/*.parquet' GROUP BY type")";

constexpr char kQueryExamples[] = R"(
Runs SQL of DuckDB over the topics of the lake. Each is a view of its name, with the columns id, source, type, subject,
time, datacontenttype, dataschema, partitionkey, correlationid, causationid, traceparent, data (JSON), data_base64,
attributes (JSON: the others), hub_partition, hub_offset and hub_append_time; times are UTC. Each event is there once.
Days that `lake columns` has copied are read from the copies, the rest from the objects; --from and --to save reading
them all. Files of a bucket are copied to --temp first. An event may have a 16th of --memory.

Examples:
  eventhub lake --lake=/srv/lake query "SELECT type, count(*) FROM orders GROUP BY type"
  eventhub lake --lake=/srv/lake query --from=2026-03-01 --to=2026-04-01 \
      "SELECT data->>'customer' AS customer, count(*) FROM orders GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
  eventhub lake --lake=/srv/lake query --output=json 'SELECT * FROM "orders@7" LIMIT 5' | jq .id)";

// The files of replaced copies stay this long.
constexpr absl::Duration kCopyGrace = absl::Hours(1);
constexpr uint64_t kMinMemory = uint64_t{64} << 20;

struct DuckDbFlags {
  lake::DuckDbOptions options;
  std::string temporary;
};

absl::StatusOr<std::unique_ptr<lake::DuckDb>> OpenDuckDb(const DuckDbFlags& flags,
                                                         const lake::LocalFiles& files) {
  lake::DuckDbOptions options = flags.options;
  options.temporary = absl::StrCat(files.directory(), "/duckdb");
  return lake::DuckDb::Open(options);
}

std::string TemporaryOf(const DuckDbFlags& flags) {
  if (!flags.temporary.empty()) return flags.temporary;
  const char* const directory = std::getenv("TMPDIR");
  return directory == nullptr || *directory == '\0' ? "/tmp" : directory;
}

std::string FormatDay(int64_t day) {
  return absl::FormatTime("%Y-%m-%d", lake::DayStart(day), absl::UTCTimeZone());
}

std::string ViewNameOf(const lake::CatalogEntry& entry) {
  const std::string& directory = entry.topic.directory;
  return directory.substr(directory.find('=') + 1);
}

// Copies the days of one topic.
class TopicCopier {
 public:
  TopicCopier(lake::ObjectStore& store, lake::DuckDb& db, lake::LocalFiles& files)
      : store_(store), db_(db), files_(files) {}

  absl::Status Copy(const lake::CatalogEntry& entry) {
    ASSIGN_OR_RETURN(const lake::Manifest manifest, lake::Manifest::Load(store_, entry.topic));
    ASSIGN_OR_RETURN(const auto writer, lake::ColumnsWriter::Open(store_, entry.topic));
    const absl::Time now = Clock::System().Now();
    RETURN_IF_ERROR(writer->DeleteRetired(now - kCopyGrace));
    for (const auto& [day, objects] : lake::DaysOf(manifest)) {
      const auto there = writer->columns().copies().find(day);
      const bool current =
          there != writer->columns().copies().end() && lake::IsCurrent(there->second, objects);
      if (!lake::IsClosedDay(day, now) || objects.events == 0 || current) continue;
      ASSIGN_OR_RETURN(const lake::ColumnarCopy copy,
                       lake::MakeCopy(db_, store_, entry.topic, day, objects, files_));
      const absl::Status added = writer->Add(copy, Clock::System().Now());
      if (!added.ok()) {
        // Nothing lists it.
        if (lake::FaultOf(added) == lake::StoreFault::kPermanent) {
          store_.Delete(lake::CopyName(entry.topic, copy)).IgnoreError();
        }
        return added;
      }
      table_.AddRow({Printable(ViewNameOf(entry)), FormatDay(day), FormatCount(copy.events()),
                     FormatBytes(copy.bytes())});
      const Json row{{"topic", entry.topic.name}, {"directory", entry.topic.directory},
                     {"day", FormatDay(day)},     {"file", lake::CopyName(entry.topic, copy)},
                     {"events", copy.events()},   {"bytes", copy.bytes()}};
      absl::StrAppend(&json_, row.dump(), "\n");
      ++copies_;
    }
    return absl::OkStatus();
  }

  absl::Status Print(bool json) const {
    if (json) return WriteOut(json_);
    return copies_ == 0 ? WriteOut("all days are copied\n") : WriteOut(table_.Render());
  }

 private:
  lake::ObjectStore& store_;
  lake::DuckDb& db_;
  lake::LocalFiles& files_;
  Table table_{{"TOPIC", "DAY", ">EVENTS", ">STORED"}};
  std::string json_;
  uint64_t copies_ = 0;
};

absl::Status MakeColumns(const LakeFlags& flags, const DuckDbFlags& duckdb) {
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const auto topics, SelectTopics(lake, flags));
  const auto store = lake::OpenObjectStore(flags.lake, lake::StoreAccess::kWrite);
  if (!store.ok()) return OfLake(store.status());
  ASSIGN_OR_RETURN(const auto files,
                   lake::LocalFiles::Create(**store, flags.lake, TemporaryOf(duckdb)));
  ASSIGN_OR_RETURN(const auto db, OpenDuckDb(duckdb, *files));
  TopicCopier copier(**store, *db, *files);
  for (const lake::CatalogEntry& entry : topics) {
    const absl::Status copied = copier.Copy(entry);
    if (copied.ok()) continue;
    RETURN_IF_ERROR(copier.Print(flags.json));
    return OfLake(copied);
  }
  return copier.Print(flags.json);
}

// The views that a query may use, by name: as FindName() understands names.
std::map<std::string, const lake::CatalogEntry*> ViewsOf(const lake::Catalog& catalog) {
  std::map<std::string, const lake::CatalogEntry*> views;
  for (const lake::CatalogEntry& entry : catalog.entries()) views[ViewNameOf(entry)] = &entry;
  for (const lake::CatalogEntry& entry : catalog.entries()) {
    views[entry.topic.name] = catalog.FindName(entry.topic.name);
  }
  return views;
}

absl::StatusOr<std::string> SelectTopicEvents(const OpenedLake& lake, const LakeFlags& flags,
                                              const DuckDbFlags& duckdb,
                                              const lake::LakeTopic& topic,
                                              lake::LocalFiles& files) {
  ASSIGN_OR_RETURN(const lake::Manifest manifest, lake::Manifest::Load(*lake.store, topic));
  ASSIGN_OR_RETURN(const lake::Columns columns, lake::Columns::Load(*lake.store, topic));
  const lake::ReadRange range = RangeOf(flags);
  lake::EventFiles events;
  for (const auto& [day, objects] : lake::DaysOf(manifest)) {
    std::vector<const lake::ObjectRecord*> wanted;
    for (const lake::ObjectRecord* const object : objects.objects) {
      if (lake::MayHave(*object, range)) wanted.push_back(object);
    }
    if (wanted.empty()) continue;
    const auto copy = columns.copies().find(day);
    if (copy != columns.copies().end() && lake::IsCurrent(copy->second, objects)) {
      ASSIGN_OR_RETURN(std::string file, files.Fetch(lake::CopyName(topic, copy->second)));
      events.parquet.push_back(std::move(file));
      continue;
    }
    for (const lake::ObjectRecord* const object : wanted) {
      ASSIGN_OR_RETURN(std::string file, files.Fetch(lake::ObjectName(topic, *object)));
      events.lines.push_back(std::move(file));
    }
  }
  std::string select = lake::SelectEvents(events, lake::MaxLineBytes(duckdb.options.memory));
  const auto limit = [&select](const char* comparison, absl::Time time, bool first) {
    absl::StrAppend(&select, first ? " WHERE " : " AND ", "hub_append_time ", comparison,
                    " TIMESTAMP '",
                    absl::FormatTime("%Y-%m-%d %H:%M:%E6S", time, absl::UTCTimeZone()), "'");
  };
  if (!flags.from && !flags.to) return select;
  select = absl::StrCat("SELECT * FROM (", select, ")");
  if (flags.from) limit(">=", *flags.from, true);
  if (flags.to) limit("<", *flags.to, !flags.from);
  return select;
}

absl::Status PrintTable(lake::DuckDb& db, const std::string& sql) {
  std::vector<std::string> headers;
  std::vector<std::vector<std::string>> rows;
  RETURN_IF_ERROR(db.Query(
      sql,
      [&headers](const std::vector<lake::DuckDbColumn>& columns) {
        for (const lake::DuckDbColumn& column : columns) {
          headers.push_back(absl::StrCat(column.is_number ? ">" : "", Printable(column.name)));
        }
        return absl::OkStatus();
      },
      [&rows](const lake::DuckDbRow& row) {
        std::vector<std::string>& cells = rows.emplace_back();
        for (const char* const cell : row) {
          cells.push_back(cell == nullptr ? "NULL" : Printable(cell));
        }
        return absl::OkStatus();
      }));
  Table table(headers);
  for (std::vector<std::string>& row : rows) table.AddRow(std::move(row));
  return WriteOut(table.Render());
}

absl::Status PrintJson(lake::DuckDb& db, const std::string& sql) {
  std::string out;
  RETURN_IF_ERROR(db.Query(
      absl::StrCat("SELECT to_json(result)::VARCHAR FROM (", sql, "\n) AS result"),
      [](const std::vector<lake::DuckDbColumn>&) { return absl::OkStatus(); },
      [&out](const lake::DuckDbRow& row) {
        absl::StrAppend(&out, row[0] == nullptr ? "null" : row[0], "\n");
        return absl::OkStatus();
      }));
  return WriteOut(out);
}

absl::Status Query(const LakeFlags& flags, const DuckDbFlags& duckdb, absl::string_view sql) {
  while (absl::ConsumeSuffix(&sql, ";") || absl::ConsumeSuffix(&sql, " ") ||
         absl::ConsumeSuffix(&sql, "\n")) {
  }
  if (sql.empty()) return UsageError("lake query: give a query");
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(flags));
  ASSIGN_OR_RETURN(const auto files,
                   lake::LocalFiles::Create(*lake.store, flags.lake, TemporaryOf(duckdb)));
  ASSIGN_OR_RETURN(const auto db, OpenDuckDb(duckdb, *files));
  for (const auto& [name, entry] : ViewsOf(lake.catalog)) {
    // Manifests of topics that the query does not name are not read.
    if (!absl::StrContains(sql, name)) continue;
    const absl::StatusOr<std::string> select =
        SelectTopicEvents(lake, flags, duckdb, entry->topic, *files);
    if (!select.ok()) return OfLake(select.status());
    RETURN_IF_ERROR(db->Run(absl::StrCat("CREATE VIEW ", lake::SqlName(name), " AS ", *select)));
  }
  return flags.json ? PrintJson(*db, std::string(sql)) : PrintTable(*db, std::string(sql));
}

void AddDuckDbOptions(CLI::App& command, DuckDbFlags& flags) {
  command.add_option("--duckdb", flags.options.library, "DuckDB's library: a path or a name")
      ->envname("EVENTHUB_DUCKDB")
      ->type_name("FILE")
      ->capture_default_str();
  AddParsedOption(
      command, "--memory", &flags.options.memory,
      [](absl::string_view text) -> absl::StatusOr<size_t> {
        ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(text));
        if (bytes >= kMinMemory) return bytes;
        return absl::InvalidArgumentError("it must be at least 64MiB");
      },
      "What DuckDB takes at most before it uses --temp (default: 512MiB)", "BYTES");
  AddCountOption(command, "--threads", &flags.options.threads, 1, 256, "Threads of DuckDB");
  command
      .add_option("--temp", flags.temporary, "Where temporary files are (default: TMPDIR, /tmp)")
      ->type_name("DIRECTORY");
}

absl::StatusOr<absl::Time> ParseLakeMoment(absl::string_view text) {
  return ParseMoment(text, Clock::System().Now());
}

}  // namespace

void AddLakeColumnsCommands(CLI::App& group, Context& context, std::shared_ptr<LakeFlags> flags) {
  const auto duckdb = std::make_shared<DuckDbFlags>();
  CLI::App* columns =
      AddVerb(group, "columns", "Copy closed days into Parquet files", kColumnsExamples);
  columns->add_option("--topic", flags->topic, "Only this topic")->type_name("TOPIC");
  AddDuckDbOptions(*columns, *duckdb);
  AddOutputOption(*columns, &flags->json);
  SetRun(*columns, context, [flags, duckdb] { return MakeColumns(*flags, *duckdb); });

  CLI::App* query = AddVerb(group, "query", "Query topics by SQL", kQueryExamples);
  const auto sql = std::make_shared<std::string>();
  query->add_option("sql", *sql, "The query")->required()->type_name("SQL");
  AddParsedOption(*query, "--from", &flags->from, ParseLakeMoment,
                  "Only events appended at this time or later", "TIME");
  AddParsedOption(*query, "--to", &flags->to, ParseLakeMoment,
                  "Only events appended before this time", "TIME");
  AddDuckDbOptions(*query, *duckdb);
  AddOutputOption(*query, &flags->json);
  SetRun(*query, context, [flags, duckdb, sql] { return Query(*flags, *duckdb, *sql); });
}

}  // namespace eventhub::cli
