// Reads events one by one, each stored batch once.
#pragma once

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/event/event_slice.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/dead_letter/dead_letter.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/log_store.h"
#include "storage/record_batch.h"

namespace eventhub {

// Keeps the batch that it read last, since events that are read together often lie in one batch.
// So events should be read in the order of their places. Not thread-safe.
class PlaceReader {
 public:
  // `more`: asked before each batch is read from disk; null: there is no limit. The references
  // outlive this object.
  PlaceReader(const TopicCatalog& topics, const LogStore& store,
              std::function<bool(const BatchHeader&, bool)> more = nullptr)
      : topics_(topics), store_(store), more_(std::move(more)) {}

  // Returns the event at a place. NOT_FOUND if its topic was deleted, or the event was trimmed
  // or removed by compaction; UNAVAILABLE while the topic is being deleted; CANCELLED if `more`
  // refused to read its batch.
  absl::StatusOr<LoggedEvent> Read(const DeadLetterPlace& place);

  // Drops the batch.
  void Reset();

 private:
  bool Holds(const DeadLetterPlace& place) const;
  absl::Status Load(const DeadLetterPlace& place);

  const TopicCatalog& topics_;
  const LogStore& store_;
  const std::function<bool(const BatchHeader&, bool)> more_;
  TopicId topic_;
  PartitionId partition_;
  RecordBatchPtr batch_;  // Of that partition; null: none.
  BatchSlicer slicer_;
};

}  // namespace eventhub
