// The columnar copies of a topic: which days of it are in Parquet files, made from its objects.
//
// The log of steps is beside the manifest, because another process writes it: the worker, not the
// hub. What the copies hold is in the objects as well; without the copies, reading takes longer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/manifest/manifest.pb.h"
#include "server/lake/manifest/step_log.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Days since the Unix epoch.
int64_t DayOf(absl::Time time);
absl::Time DayStart(int64_t day);

// Whether the day is over for so long that its events are in the lake, unless archiving is behind.
bool IsClosedDay(int64_t day, absl::Time now);

// The objects of a day, by sequence, and what they account for.
struct DayObjects {
  std::vector<const ObjectRecord*> objects;
  std::vector<OffsetRange> ranges;  // By partition, with neighbours joined.
  uint64_t events = 0;
};

// Returns the days that the manifest has, by day. The manifest must outlive the result.
std::map<int64_t, DayObjects> DaysOf(const Manifest& manifest);

// A copy of these objects, without its id and its bytes.
ColumnarCopy CopyOf(int64_t day, const DayObjects& objects);

// Whether the copy has the events of these objects. Merging objects does not change that.
bool IsCurrent(const ColumnarCopy& copy, const DayObjects& objects);

// `topic=T/_columns/date=YYYY-MM-DD/ID.parquet`.
std::string CopyName(const LakeTopic& topic, const ColumnarCopy& copy);

// The copies as they were when they were loaded. Thread-compatible.
class Columns {
 public:
  // DATA_LOSS or UNIMPLEMENTED, naming the file, if a record is damaged or of a later version.
  static absl::StatusOr<Columns> Load(const ObjectStore& store, const LakeTopic& topic);

  // By day.
  const std::map<int64_t, ColumnarCopy>& copies() const { return copies_; }
  // Copies that were replaced and whose files are not known to be deleted.
  const std::vector<ColumnarCopy>& retired() const { return retired_; }

  static std::string Directory(const LakeTopic& topic);

 private:
  friend class ColumnsWriter;
  absl::Status Visit(const std::string& directory, RecordKind kind, uint64_t number,
                     absl::string_view payload);
  void Apply(const ColumnsStep& step);
  ColumnsCheckpoint ToCheckpoint() const;

  std::map<int64_t, ColumnarCopy> copies_;
  std::vector<ColumnarCopy> retired_;
};

// Adds copies. Of two writers at a time, one is refused. Thread-compatible; the store must outlive
// it.
class ColumnsWriter {
 public:
  static absl::StatusOr<std::unique_ptr<ColumnsWriter>> Open(ObjectStore& store,
                                                             const LakeTopic& topic);

  const Columns& columns() const { return columns_; }

  // Records a copy whose file is in the store. ABORTED if another writer recorded one meanwhile.
  absl::Status Add(const ColumnarCopy& copy, absl::Time now);

  // Deletes the files of copies that were retired before `time`, and records that.
  absl::Status DeleteRetired(absl::Time time);

 private:
  ColumnsWriter(ObjectStore& store, const LakeTopic& topic);
  absl::Status Store(const ColumnsStep& step);

  ObjectStore& store_;
  const LakeTopic topic_;
  StepLog log_;
  Columns columns_;
};

}  // namespace eventhub::lake
