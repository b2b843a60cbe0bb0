// What a subscription wants of a stretch of events: found by a look at each, without a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/event/event_filter.h"
#include "storage/record_batch.h"

namespace eventhub {

// Filters and keys cost as much as the events are large. So they are looked at on the thread that
// serves a consumer, before the mutex of the subscription is taken again to deliver what was
// chosen. Not thread-safe.
class EventChoices {
 public:
  struct Event {
    bool passes = true;
    bool keyed = false;
    uint64_t key_hash = 0;
  };

  // Looks at the events of [from, end) that the batches have, one after the other, until it has
  // done so much work, in bytes that are looked at; but at one event at least. `filter` may be
  // null; keys are looked for only if it is `by_key`.
  EventChoices(const std::vector<RecordBatchPtr>& batches, Offset from, Offset end,
               const EventFilter* filter, bool by_key, size_t max_work);

  // Behind the last event that was looked at.
  Offset end() const { return end_; }
  // Of an event of a batch; not of one that has no events that pass, by its types.
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
  std::vector<size_t> first_;  // Of each batch, where in `events_`.
  size_t work_ = 0;
};

}  // namespace eventhub
