// Cutting record batches between events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/wire/field_reader.h"
#include "server/core/event/delivery.h"
#include "server/core/event/event_filter.h"
#include "storage/base/shared_bytes.h"
#include "storage/record_batch.h"

namespace eventhub {

// Events that a filter leaves out are looked through on the thread of a Poll up to this. Bytes.
inline constexpr size_t kMaxPolledBytes = size_t{256} << 10;

// One event of a chunk.
struct SlicedEvent {
  absl::string_view field;    // With its tag and length.
  absl::string_view message;  // Without.
};

// Walks over the events of a chunk; the bytes were validated when they were published.
class EventWalker {
 public:
  explicit EventWalker(const SharedBytes& chunk) : chunk_(&chunk), field_(chunk.view()) {}

  bool AtEnd() const { return field_.after().empty(); }
  const char* position() const { return field_.after().data(); }

  // Steps over an event. False: there is none.
  bool Next(SlicedEvent* event) {
    if (!field_.Next()) return false;
    event->field = field_.field();
    event->message = field_.bytes();
    return true;
  }

  // What was stepped over since `start`.
  SharedBytes Since(const char* start) const {
    return chunk_->Sub(absl::string_view(start, static_cast<size_t>(position() - start)));
  }

 private:
  const SharedBytes* chunk_;
  wire::FieldReader<absl::string_view> field_;
};

// Whole events in one piece.
struct EventRun {
  SharedBytes events;
  uint32_t count;
};

// Cuts `count` valid events into runs of at most `max_bytes`, but at least one event. Nothing is
// copied.
std::vector<EventRun> CutIntoRuns(const SharedBytes& events, uint32_t count, size_t max_bytes);

// The events of `batch` from offset `from` to before `to`, cut short to `max_bytes`, but at least
// one.
Delivery SliceBatch(const RecordBatch& batch, PartitionId partition, Offset from, Offset to,
                    size_t max_bytes);

// How far a look at a slice came.
struct SliceScan {
  uint32_t events = 0;
  size_t work = 0;  // Bytes: of the events, or what the filter looked at, whichever is more.
};

// Those of its events that pass: maybe none. Ends after `max_work`, but looks at one event at
// least.
Delivery FilterSlice(const Delivery& slice, const EventFilter& filter, size_t max_work,
                     SliceScan* scan);

}  // namespace eventhub
