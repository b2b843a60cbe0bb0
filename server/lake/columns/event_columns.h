// Events as rows: the SQL that makes columns of the lines of objects.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace eventhub::lake {

// Files of one topic on this machine.
struct EventFiles {
  std::vector<std::string> lines;    // Objects.
  std::vector<std::string> parquet;  // Columnar copies.
};

// How large a line may be, in a database with this much memory. DuckDB refuses a longer one, and
// keeps room for several of this size.
size_t MaxLineBytes(size_t memory);

// A query with one row for each event of the files, which may be none. Its columns: `id`, `source`,
// `type`, `subject`, `time`, `datacontenttype`, `dataschema`, `partitionkey`, `correlationid`,
// `causationid`, `traceparent`, `data` (JSON), `data_base64`, `attributes` (JSON: all other members
// of the line), `hub_partition`, `hub_offset`, `hub_append_time`. Times are UTC. What does not have
// the type of its column is NULL, so no record stops a query, unless it has more than
// `max_line_bytes`.
std::string SelectEvents(const EventFiles& files, size_t max_line_bytes);

}  // namespace eventhub::lake
