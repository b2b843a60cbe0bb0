// Writes one object with the events of several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/lake/merge/merge_plan.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/object/object_writer.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct MergeOptions {
  // One frame of each object, and its index, are in memory at a time. Objects that would exceed
  // this are left out.
  size_t frame_memory = size_t{16} << 20;
  // Called before each read of this many bytes. An error ends the merge.
  std::function<absl::Status(uint64_t bytes)> pace = [](uint64_t) { return absl::OkStatus(); };
  ObjectWriterOptions writer{};
};

struct MergedObjects {
  std::vector<uint64_t> removed;  // Sequences.
  ObjectRecord added;
};

// Copies the lines of a group, which PlanMerges made, into one object in the order of partitions
// and offsets. The first objects of the group are merged if all of them take too much memory;
// nothing is returned if not even two fit. The new object is in the store afterwards, and belongs
// to nothing until ManifestWriter::Replace. The same group gives an object of the same name.
//
// DATA_LOSS, naming the object, if one of the group is damaged; errors of the store.
absl::StatusOr<std::optional<MergedObjects>> MergeObjects(ObjectStore& store,
                                                          const LakeTopic& topic,
                                                          const MergeGroup& group,
                                                          const MergeOptions& options);

}  // namespace eventhub::lake
