// Makes the columnar copy of a day of a topic.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "server/lake/columns/duckdb.h"
#include "server/lake/columns/local_files.h"
#include "server/lake/manifest/columns.h"
#include "server/lake/manifest/manifest.pb.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Reads the objects of the day, sorts their events by append time, partition and offset, and stores
// them as one Parquet file, which belongs to nothing until ColumnsWriter::Add. Memory: that of
// `db`; the file and what does not fit into memory are in the directory of `files` meanwhile.
// DATA_LOSS: the objects do not have the events that the manifest says. Errors of DuckDB and of the
// store.
absl::StatusOr<ColumnarCopy> MakeCopy(DuckDb& db, ObjectStore& store, const LakeTopic& topic,
                                      int64_t day, const DayObjects& objects, LocalFiles& files);

}  // namespace eventhub::lake
