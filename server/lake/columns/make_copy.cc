#include "server/lake/columns/make_copy.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/random/random.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/lake/columns/event_columns.h"
#include "server/lake/store/checksum.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr size_t kCopyPieceBytes = size_t{1} << 20;

// Stores a file as an object, and notes its size and checksum.
absl::Status StoreFile(const std::string& path, const std::string& name, ObjectStore& store,
                       ColumnarCopy* copy) {
  std::ifstream file(path, std::ios::binary);
  ASSIGN_OR_RETURN(const std::unique_ptr<ObjectSink> sink, store.Create(name));
  Sha256 sha256;
  uint64_t bytes = 0;
  std::string piece(kCopyPieceBytes, '\0');
  while (file.good()) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto got = static_cast<size_t>(file.gcount());
    if (got == 0) break;
    sha256.Update({piece.data(), got});
    bytes += got;
    RETURN_IF_ERROR(sink->Append({piece.data(), got}));
  }
  if (file.bad() || bytes == 0) {
    return absl::FailedPreconditionError(absl::StrCat("cannot read ", path));
  }
  RETURN_IF_ERROR(sink->Commit());
  copy->set_bytes(bytes);
  copy->set_sha256(sha256.Finish());
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> CountRows(DuckDb& db, const std::string& path) {
  uint64_t rows = 0;
  RETURN_IF_ERROR(db.Query(
      absl::StrCat("SELECT count(*) FROM read_parquet(", SqlText(path), ")"),
      [](const std::vector<DuckDbColumn>&) { return absl::OkStatus(); },
      [&rows](const DuckDbRow& row) {
        return row[0] != nullptr && absl::SimpleAtoi(row[0], &rows)
                   ? absl::OkStatus()
                   : absl::InternalError("DuckDB does not count");
      }));
  return rows;
}

}  // namespace

absl::StatusOr<ColumnarCopy> MakeCopy(DuckDb& db, ObjectStore& store, const LakeTopic& topic,
                                      int64_t day, const DayObjects& objects, LocalFiles& files) {
  ColumnarCopy copy = CopyOf(day, objects);
  absl::BitGen random;
  copy.set_id(absl::Uniform<uint64_t>(random));
  const std::string name = CopyName(topic, copy);
  const std::string path = absl::StrCat(files.directory(), "/copy.parquet");
  const absl::Cleanup remove = [&] {
    std::remove(path.c_str());
    files.Clear();
  };
  EventFiles events;
  for (const ObjectRecord* const object : objects.objects) {
    ASSIGN_OR_RETURN(std::string file, files.Fetch(ObjectName(topic, *object)));
    events.lines.push_back(std::move(file));
  }
  const absl::Status made =
      db.Run(absl::StrCat("COPY (SELECT * FROM (", SelectEvents(events, MaxLineBytes(db.memory())),
                          ") ORDER BY hub_append_time, hub_partition, hub_offset) TO ",
                          SqlText(path), " (FORMAT parquet, COMPRESSION zstd)"));
  if (!made.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(name, ": ", made.message()));
  }
  ASSIGN_OR_RETURN(const uint64_t rows, CountRows(db, path));
  if (rows != objects.events) {
    return absl::DataLossError(absl::StrCat("the objects of ", name, " have ", rows,
                                            " events instead of ", objects.events));
  }
  RETURN_IF_ERROR(StoreFile(path, name, store, &copy));
  return copy;
}

}  // namespace eventhub::lake
