// Writes events into a partition of a store that no hub serves, with the offsets and the append
// times that they had.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/topic/identities.h"
#include "server/core/topic/latest_table.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/partition_log.h"
#include "storage/record_batch.h"

namespace eventhub {

// Events with the same append time form a batch, as far as they follow each other. Offsets that
// are passed over belong to events that are gone: readers pass over them as over those that
// compaction removed. Thread-compatible.
class PartitionImport {
 public:
  // Returns the commit that takes the next `bytes` bytes.
  using Commit = std::function<absl::StatusOr<CommitBuilder*>(size_t bytes)>;

  // `bounds` are those of the partition in `store`. The arguments outlive this object.
  PartitionImport(const LogStore& store, TopicId topic, PartitionId partition,
                  const v1::Topic& settings, const LogBounds& bounds, absl::Time now,
                  Commit commit);

  // The offset of the next event.
  Offset next() const { return next_; }
  // The size of all earlier batches; behind a Flush.
  LogPosition position() const { return {next_, bytes_before_}; }

  // Adds an encoded event; offsets ascend. DATA_LOSS if it is no valid event, or if the offset is
  // not behind the last one. It may become part of the commit with a later call.
  absl::Status Append(Offset offset, int64_t append_micros, absl::string_view event);

  // The events before `offset` that were not added are gone.
  absl::Status PassTo(Offset offset);

  // Makes all that was added part of the commit.
  absl::Status Flush();

 private:
  const TopicId topic_;
  const PartitionId partition_;
  const Commit commit_;
  // Null without latest_per_key, and without a deduplication window.
  std::shared_ptr<LatestTable> latest_;
  std::shared_ptr<IdentityTable> identities_;
  int64_t window_micros_ = 0;
  int64_t now_micros_ = 0;

  Offset next_;
  Offset base_;  // Of the batch that is being filled.
  uint64_t bytes_before_;
  int64_t last_micros_;
  std::string region_;
};

}  // namespace eventhub
