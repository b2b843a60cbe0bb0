// Counts the events of a topic by type, mostly by its manifest.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/read/partition_cursor.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct TypeCounts {
  std::map<std::string, uint64_t> events;  // By type.
  uint64_t total = 0;                      // Events.
  // Of their lines. With a type, estimated by the average of the objects that have several.
  uint64_t raw_bytes = 0;
  // The first and the last append time, in microseconds since the Unix epoch, if there are events.
  // With a type, those of the objects.
  int64_t first_micros = 0;
  int64_t last_micros = 0;
  uint64_t objects_read = 0;  // Of which the manifest does not say enough.
  uint64_t bytes_read = 0;    // Of their lines.
};

struct CountOptions {
  // Empty: all.
  std::vector<uint32_t> partitions{};
  // Called with the bytes of lines that were read so far; false ends the count with CANCELLED.
  std::function<bool(uint64_t raw_bytes)> progress{};
};

// Reads the objects that have events inside and outside of the range, or of more types than a
// manifest lists; all of them if the range has a condition. Errors as those of
// PartitionCursor::Next().
absl::StatusOr<TypeCounts> CountByType(const ObjectStore& store, const LakeTopic& topic,
                                       const Manifest& manifest, const ReadRange& range,
                                       const CountOptions& options = {});

}  // namespace eventhub::lake
