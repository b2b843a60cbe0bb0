// What the store keeps of the archive of a topic; see storage/FORMAT.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/archive/records.pb.h"
#include "storage/base/types.h"
#include "storage/log_store.h"
#include "storage/record_batch.h"

namespace eventhub {

// The events of a partition before `to` are in objects of the lake, or are missing there for ever.
struct ArchivePosition {
  LogPosition to;
  uint64_t missing = 0;  // Events that were deleted before the lake had them.
  Offset begin;          // Where the first object begins.

  std::string Encode() const;
  // DATA_LOSS if `value` is not a position of a version known to this hub.
  static absl::StatusOr<ArchivePosition> Decode(absl::string_view value);
};

// Everything stored of the archive of a topic.
struct ArchiveRecords {
  stored::Archive archive;
  std::vector<ArchivePosition> positions;  // By partition; later partitions are at their start.
};

// Returns the state of a new archive if none is stored. DATA_LOSS: the records are damaged.
absl::StatusOr<ArchiveRecords> LoadArchive(const LogStore& store, TopicId topic);

}  // namespace eventhub
