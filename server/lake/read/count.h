// Counts the events of a topic by type, mostly by its manifest.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/read/partition_cursor.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct TypeCounts {
  std::map<std::string, uint64_t> events;  // By type.
  uint64_t objects_read = 0;               // Of which the manifest does not say enough.
};

// Reads the objects that have events inside and outside of the range, or of more types than a
// manifest lists. Errors as those of PartitionCursor::Next().
absl::StatusOr<TypeCounts> CountByType(const ObjectStore& store, const LakeTopic& topic,
                                       const Manifest& manifest, const ReadRange& range);

}  // namespace eventhub::lake
