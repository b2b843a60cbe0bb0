#include "server/lake/columns/event_columns.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/lake/columns/duckdb.h"

namespace eventhub::lake {
namespace {

struct EventColumn {
  const char* name;
  const char* type;
};

// The members that are columns as texts, or as what is parsed of a text.
constexpr EventColumn kEventColumns[] = {{"id", "VARCHAR"},
                                         {"source", "VARCHAR"},
                                         {"type", "VARCHAR"},
                                         {"subject", "VARCHAR"},
                                         {"time", "TIMESTAMP"},
                                         {"datacontenttype", "VARCHAR"},
                                         {"dataschema", "VARCHAR"},
                                         {"partitionkey", "VARCHAR"},
                                         {"correlationid", "VARCHAR"},
                                         {"causationid", "VARCHAR"},
                                         {"traceparent", "VARCHAR"},
                                         {"data_base64", "VARCHAR"},
                                         {"hub_partition", "UINTEGER"},
                                         {"hub_offset", "BIGINT"},
                                         {"hub_append_time", "TIMESTAMP"}};

std::string FileList(const std::vector<std::string>& files) {
  return absl::StrCat(
      "[",
      absl::StrJoin(files, ", ",
                    [](std::string* out, const std::string& file) { out->append(SqlText(file)); }),
      "]");
}

// The columns of lines in the column `json`.
std::string SelectLines(const std::string& from) {
  std::string paths;
  std::string removed = "{\"specversion\":null,\"data\":null";
  std::string columns;
  int number = 0;
  for (const EventColumn& column : kEventColumns) {
    absl::StrAppend(&paths, number == 0 ? "" : ", ", SqlText(column.name));
    absl::StrAppend(&removed, ",\"", column.name, "\":null");
    const std::string text = absl::StrCat("member[", ++number, "]");
    const bool is_text = absl::string_view(column.type) == "VARCHAR";
    absl::StrAppend(&columns,
                    is_text ? text : absl::StrCat("TRY_CAST(", text, " AS ", column.type, ")"),
                    " AS ", SqlName(column.name), ", ");
  }
  removed += "}";
  return absl::StrCat("SELECT ", columns, "json->'data' AS data, json_merge_patch(json, ",
                      SqlText(removed), ") AS attributes FROM (SELECT json, ",
                      "json_extract_string(json, [", paths, "]) AS member FROM ", from, ")");
}

}  // namespace

size_t MaxLineBytes(size_t memory) {
  return std::clamp(memory / 16, size_t{4} << 20, size_t{256} << 20);
}

std::string SelectEvents(const EventFiles& files, size_t max_line_bytes) {
  std::vector<std::string> parts;
  if (!files.parquet.empty()) {
    parts.push_back(absl::StrCat("SELECT * FROM read_parquet(", FileList(files.parquet),
                                 ", hive_partitioning = false)"));
  }
  if (!files.lines.empty()) {
    parts.push_back(SelectLines(absl::StrCat(
        "read_json_objects(", FileList(files.lines),
        ", format = 'newline_delimited', compression = 'zstd', hive_partitioning = false, ",
        "maximum_object_size = ", max_line_bytes, ")")));
  }
  if (parts.empty()) {
    parts.push_back(
        absl::StrCat(SelectLines("(SELECT NULL::JSON AS json WHERE false)"), " WHERE false"));
  }
  return absl::StrJoin(parts, " UNION ALL BY NAME ");
}

}  // namespace eventhub::lake
