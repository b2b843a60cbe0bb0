#include "server/core/subscription/dispatch/event_choices.h"

#include <algorithm>

#include "proto/wire/event_rules.h"
#include "server/core/event/event_slice.h"
#include "server/filter/event_view.h"

namespace eventhub {

EventChoices::EventChoices(const std::vector<RecordBatchPtr>& batches, Offset from, Offset end,
                           const EventFilter* filter, bool by_key, size_t max_work)
    : from_(from), end_(from) {
  for (const RecordBatchPtr& batch : batches) {
    if (work_ > max_work || end_ >= end) return;
    first_.push_back(events_.size());
    if (filter != nullptr && !filter->MayPass(batch->header)) {
      work_ += EventFilter::kPassedBatchCost;
      end_ = std::min(batch->end(), end);
    } else {
      Look(*batch, end, filter, by_key, max_work);
    }
  }
}

void EventChoices::Look(const RecordBatch& batch, Offset end, const EventFilter* filter,
                        bool by_key, size_t max_work) {
  Offset at = batch.base;
  for (const SharedBytes& chunk : batch.chunks) {
    EventWalker walker(chunk);
    for (SlicedEvent event; at < end && work_ <= max_work && walker.Next(&event); at = at + 1) {
      if (at < from_) continue;
      size_t work = 0;
      Event& choice = events_.emplace_back();
      if (filter != nullptr) choice.passes = filter->Matches(event.message, &work);
      work_ += std::max(work, event.field.size());
      end_ = at + 1;
      if (!by_key || !choice.passes) continue;
      const filter::Value key = EventView(event.message).Find("partitionkey");
      choice.keyed = !key.missing();
      if (choice.keyed) choice.key_hash = wire::HashOfKey(key.text());
    }
  }
}

}  // namespace eventhub
