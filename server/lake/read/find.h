// Finds events of a topic by a key, reading little: the filters of each object say which of its
// frames may have the key.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/object/object_reader.h"
#include "server/lake/read/partition_cursor.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct FindTally {
  uint64_t events = 0;      // Found.
  uint64_t objects = 0;     // Asked.
  uint64_t frames = 0;      // Read.
  uint64_t bytes_read = 0;  // From the store.
  uint64_t bytes = 0;       // That the objects asked have.
  uint64_t raw_bytes = 0;   // The same without compression.
};

// Calls `visit` with each event of the range that has the key, by object, then by partition and
// offset; false from it ends the search. Memory: one frame. Thread-safe. Errors as those of
// PartitionCursor::Next().
absl::StatusOr<FindTally> FindEvents(
    const ObjectStore& store, const LakeTopic& topic, const Manifest& manifest, KeyKind kind,
    absl::string_view key, const ReadRange& range,
    const std::function<absl::StatusOr<bool>(const LakeEvent&)>& visit);

}  // namespace eventhub::lake
