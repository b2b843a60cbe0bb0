// The events of some batches that a subscription delivers: found by matching each, without a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "server/core/event/event_filter.h"
#include "server/core/event/event_slice.h"
#include "storage/log_store.h"
#include "storage/record_batch.h"

namespace eventhub {

// Filters and keys cost time in proportion to the size of events. So they are evaluated on the
// thread that serves a consumer, before it takes the subscription's mutex again to deliver the
// result. Not thread-safe.
class EventChoices {
 public:
  struct Event {
    bool passes = true;
    bool keyed = false;
    uint64_t key_hash = 0;
  };

  // Matches the events of the ranges in the batches, both ascending, one after the other, until
  // `max_work` bytes were examined; at least one event. Events that compaction removed do not
  // match. `filter` may be null; keys are extracted only if `by_key`.
  EventChoices(const std::vector<RecordBatchPtr>& batches, absl::Span<const OffsetRange> ranges,
               const EventFilter* filter, bool by_key, size_t max_work);

  // The events from `from` up to this offset are matched, or in batches that are gone or that the
  // filter skips by their types; `from` if that event is neither.
  Offset EndFrom(Offset from) const;
  // The results for matched events from `from` on, at least one; `from` must be matched.
  absl::Span<const Event> From(Offset from) const;
  // Whether the event, which is before EndFrom, passed.
  bool Passed(Offset event) const;

  size_t work() const { return work_; }

 private:
  static constexpr size_t kSkipped = std::numeric_limits<size_t>::max();

  // Consecutive events.
  struct Part {
    Offset start;
    Offset end;
    size_t first;  // The result of the first one, in `events_`; kSkipped: the filter skips them.
  };
  using Parts = std::vector<Part>;

  // Matches the events of one batch. Returns false if the work is done.
  bool Look(const RecordBatch& batch, absl::Span<const OffsetRange> ranges,
            const EventFilter* filter, bool by_key, size_t max_work);
  void Match(const SlicedEvent& event, const EventFilter* filter, bool by_key);
  // Adds one event, or a skipped batch.
  void Add(Offset start, Offset end, size_t first);
  Parts::const_iterator Find(Offset offset) const;

  Parts parts_;  // Ascending.
  std::vector<Event> events_;
  size_t work_ = 0;
};

}  // namespace eventhub
