// Keeps topics within their limits of age and size, and removes idle producers.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/maintenance/age_marks.h"
#include "server/core/maintenance/trim_planner.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/clock.h"
#include "storage/base/job_scheduler.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

struct RetentionOptions {
  // Producers that published nothing for this long are removed.
  absl::Duration producer_expiry = absl::Hours(7 * 24);
  // Disk space is reclaimed once this much of a topic was trimmed. Bytes.
  uint64_t reclaim_bytes = uint64_t{64} << 20;
  ArchiveLagLimits archive_lag{};
};

// Works in pieces: each commit contains a bounded part of the work, and publishers get their turn
// in between.
//
// Used by one thread; blocks it on the disk.
class Retention {
 public:
  // `on_garbage` is called for a topic once enough of it was trimmed to make reclaiming its space
  // worthwhile.
  Retention(const RetentionOptions& options, const TopicCatalog& catalog,
            const Subscriptions& subscriptions, LogStore& store, LogWriter& writer,
            const Clock& clock, absl::AnyInvocable<void(TopicId)> on_garbage);

  // Trims all topics to their limits. After an error it continues with the next topic, and returns
  // the first error; returns CANCELLED soon after `cancellation` is cancelled.
  absl::Status TrimTopics(const Cancellation& cancellation);

  // Removes the idle producers of all topics; reads all stored state of producers. Errors as above.
  absl::Status ExpireProducers(const Cancellation& cancellation);

  // Removes transactions of the same age. Errors as above.
  absl::Status ExpireTransactions(const Cancellation& cancellation);

 private:
  absl::Status ForEachTopic(const Cancellation& cancellation,
                            absl::FunctionRef<absl::Status(const std::shared_ptr<Topic>&)> visit);
  absl::Status TrimTopic(const std::shared_ptr<Topic>& topic);
  // Records the ends of partitions whose append times do not show their age.
  absl::Status NoteAges(const std::shared_ptr<Topic>& topic);
  absl::Status Trim(const std::shared_ptr<Topic>& topic, const TrimPlan& plan);
  absl::Status ExpireProducersOf(const std::shared_ptr<Topic>& topic,
                                 const Cancellation& cancellation);
  // Submits a task made with a callback, and waits for its outcome.
  absl::Status Commit(absl::FunctionRef<std::unique_ptr<CommitTask>(StatusDone)> make);

  const RetentionOptions options_;
  const TopicCatalog& catalog_;
  const Subscriptions& subscriptions_;
  AgeMarks marks_;
  bool marks_loaded_ = false;
  const TrimPlanner planner_;
  LogStore& store_;
  LogWriter& writer_;
  const Clock& clock_;
  absl::AnyInvocable<void(TopicId)> on_garbage_;
  absl::Time now_;                                        // The time of the pass.
  absl::flat_hash_map<TopicId, uint64_t> trimmed_bytes_;  // Since the last reclaim.
};

}  // namespace eventhub
