// Removes superseded events from topics with `Retention.latest_per_key`.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/compaction/batch_rewriter.h"
#include "server/core/topic/compaction_state.h"
#include "server/core/topic/latest_table.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/base/job_scheduler.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

struct CompactionOptions {
  // A partition is compacted once it has grown by this share of what it held after the last
  // compaction, and at least by `min_bytes`.
  double growth = 1.0;
  uint64_t min_bytes = uint64_t{1} << 20;
  // See RetentionOptions.
  uint64_t reclaim_bytes = uint64_t{64} << 20;
};

// A pass over a partition reads its events in order, asks LatestTable which of them are superseded,
// and rewrites their batches. It goes up to the last batch, which stays as it is, since the end of
// the log is recovered from it. A pass consists of steps; partitions with a pass in progress take
// turns. Each step is one commit with its progress, so a pass continues after a restart, and never
// repeats what it removed.
//
// An event may be superseded while a step is being decided, or its superseding event may not be
// visible yet. Then it stays, or is removed a moment early, which cannot be distinguished from a
// later read.
//
// Used by one thread; blocks it on the disk and on commits.
class TopicCompaction {
 public:
  // `on_garbage` is called for a topic once enough of it was removed to make reclaiming its space
  // worthwhile.
  TopicCompaction(const CompactionOptions& options, const TopicCatalog& catalog,
                  const LogStore& store, LogWriter& writer, const Clock& clock,
                  absl::AnyInvocable<void(TopicId)> on_garbage);

  // Compacts every partition that is due. After an error it continues with the other partitions,
  // and returns the first error; returns CANCELLED soon after `cancellation` is cancelled.
  absl::Status Run(const Cancellation& cancellation);

 private:
  struct Pass {
    std::shared_ptr<Topic> topic;
    PartitionLog* log;
    CompactionState state;
    absl::Duration delete_marker_age;
  };
  // The changes of a step.
  struct Step {
    RewrittenBatches rewritten;
    std::vector<std::pair<KeyHash, Offset>> gone_markers;
    Offset next;
  };

  // Returns the passes that are in progress or due. Sets `first_error` if some cannot be
  // determined.
  std::vector<Pass> DuePasses(absl::Status* first_error);
  // Begins a pass if the partition is due.
  absl::Status BeginIfDue(Pass& pass, absl::Duration min_age) const;
  absl::Status Advance(Pass& pass);
  absl::StatusOr<Step> Decide(const Pass& pass) const;
  absl::Status Commit(const Pass& pass, Step step);
  void NoteRemoved(const Pass& pass, uint64_t bytes);

  const CompactionOptions options_;
  const TopicCatalog& catalog_;
  const LogStore& store_;
  LogWriter& writer_;
  const Clock& clock_;
  absl::AnyInvocable<void(TopicId)> on_garbage_;
  absl::flat_hash_map<TopicId, uint64_t> removed_bytes_;  // Since the last reclaim.
};

}  // namespace eventhub
