// The progress of compaction in a partition of a topic with `Retention.latest_per_key`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/base/types.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"
#include "storage/record_batch.h"

namespace eventhub {

// Stored with each commit of a compaction; see storage/FORMAT.md.
struct CompactionState {
  // Where the last complete pass ended.
  LogPosition compacted_to;
  // Events removed before that, and by the pass in progress.
  RemovedEvents removed;
  // The pass in progress: where it continues, and where it ends; the same if there is none.
  Offset next;
  LogPosition end;

  bool in_progress() const { return next < end.offset; }

  std::string Encode() const;
  // Returns DATA_LOSS if `value` is not a state of a version known to this hub.
  static absl::StatusOr<CompactionState> Decode(absl::string_view value);
  // Returns an empty state if none is stored.
  static absl::StatusOr<CompactionState> Load(const LogStore& store, TopicId topic,
                                              PartitionId partition);
};

}  // namespace eventhub
