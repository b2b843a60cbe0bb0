// The events of some batches that a subscription delivers: found by matching each, without a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/event/event_filter.h"
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

  // Matches the events of [from, end) in the batches, one after the other, until `max_work` bytes
  // were examined; at least one event. `filter` may be null; keys are extracted only if `by_key`.
  EventChoices(const std::vector<RecordBatchPtr>& batches, Offset from, Offset end,
               const EventFilter* filter, bool by_key, size_t max_work);

  // The offset after the last matched event.
  Offset end() const { return end_; }
  // The result for an event of a batch; not for batches that the filter skips by their types.
  const Event& Of(size_t batch, const RecordBatch& of, Offset event) const {
    return events_[first_[batch] + static_cast<size_t>(event - std::max(of.base, from_))];
  }

  size_t work() const { return work_; }

 private:
  void Look(const RecordBatch& batch, Offset end, const EventFilter* filter, bool by_key,
            size_t max_work);

  const Offset from_;
  Offset end_;
  std::vector<Event> events_;
  std::vector<size_t> first_;  // For each batch, its first index in `events_`.
  size_t work_ = 0;
};

}  // namespace eventhub
