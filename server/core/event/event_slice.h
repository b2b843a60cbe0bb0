// Cutting record batches between events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/wire/field_reader.h"
#include "server/core/event/delivery.h"
#include "server/core/event/event_filter.h"
#include "storage/base/shared_bytes.h"
#include "storage/record_batch.h"

namespace eventhub {

// The maximum amount of filtered-out events that one Poll examines on its thread. Bytes.
inline constexpr size_t kMaxPolledBytes = size_t{256} << 10;

// The rest of an event that compaction removed from its batch: a field without content. No valid
// event is empty.
inline constexpr absl::string_view kRemovedEvent("\x7a\x00", 2);

// One event of a chunk.
struct SlicedEvent {
  absl::string_view field;    // Including tag and length.
  absl::string_view message;  // Without them.
};

// Iterates over the events of a chunk, which were validated when they were published.
class EventWalker {
 public:
  explicit EventWalker(const SharedBytes& chunk) : chunk_(&chunk), field_(chunk.view()) {}

  bool AtEnd() const { return field_.after().empty(); }
  const char* position() const { return field_.after().data(); }

  // Advances to the next event; false at the end.
  bool Next(SlicedEvent* event) {
    if (!field_.Next()) return false;
    event->field = field_.field();
    event->message = field_.bytes();
    return true;
  }

  // Returns the bytes between `start` and the current position.
  SharedBytes Since(const char* start) const {
    return chunk_->Sub(absl::string_view(start, static_cast<size_t>(position() - start)));
  }

 private:
  const SharedBytes* chunk_;
  wire::FieldReader<absl::string_view> field_;
};

// Consecutive whole events.
struct EventRun {
  SharedBytes events;
  uint32_t count;
};

// Splits `count` valid events into runs of at most `max_bytes`, but at least one event each. Copies
// nothing.
std::vector<EventRun> SplitIntoRuns(const SharedBytes& events, uint32_t count, size_t max_bytes);

// Cuts batches at ascending offsets. Each cut continues where the previous one ended, so any number
// of cuts walks over the events of a batch once. Holds a reference to the batch that it cut last.
class BatchSlicer {
 public:
  // Returns the events of `batch` in [from, to), truncated to `max_bytes`, but at least one. Events
  // that compaction removed are among them, without content; the batch must not be gone.
  Delivery Slice(const RecordBatchPtr& batch, PartitionId partition, Offset from, Offset to,
                 size_t max_bytes);

 private:
  void Begin(const RecordBatchPtr& batch);

  RecordBatchPtr batch_;
  size_t chunk_ = 0;
  std::optional<EventWalker> walker_;  // Over that chunk of the batch, at the event `at_`.
  Offset at_;
};

// A single cut.
Delivery SliceBatch(const RecordBatch& batch, PartitionId partition, Offset from, Offset to,
                    size_t max_bytes);

// The progress of a scan over a slice.
struct SliceScan {
  uint32_t events = 0;
  uint32_t removed = 0;  // Of them: removed by compaction.
  // Bytes: the size of the events, or what the filter examined, whichever is more.
  size_t work = 0;
};

// Returns the events of the slice that are not removed and match the filter, if there is one;
// possibly none. Stops after `max_work`, but examines at least one event.
Delivery FilterSlice(const Delivery& slice, const EventFilter* filter, size_t max_work,
                     SliceScan* scan);

}  // namespace eventhub
