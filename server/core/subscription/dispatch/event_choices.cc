#include "server/core/subscription/dispatch/event_choices.h"

#include <algorithm>

#include "proto/wire/event_rules.h"
#include "server/filter/event_view.h"

namespace eventhub {

EventChoices::EventChoices(const std::vector<RecordBatchPtr>& batches,
                           absl::Span<const OffsetRange> ranges, const EventFilter* filter,
                           bool by_key, size_t max_work) {
  for (const RecordBatchPtr& batch : batches) {
    while (!ranges.empty() && ranges.front().end <= batch->base) ranges.remove_prefix(1);
    if (ranges.empty() || (work_ > max_work && !parts_.empty())) return;
    if (batch->header.gone() || (filter != nullptr && !filter->MayPass(batch->header))) {
      work_ += EventFilter::kPassedBatchCost;
      Add(batch->base, batch->end(), kSkipped);
    } else if (!Look(*batch, ranges, filter, by_key, max_work)) {
      return;
    }
  }
}

bool EventChoices::Look(const RecordBatch& batch, absl::Span<const OffsetRange> ranges,
                        const EventFilter* filter, bool by_key, size_t max_work) {
  Offset at = batch.base;
  for (const SharedBytes& chunk : batch.chunks) {
    EventWalker walker(chunk);
    for (SlicedEvent event; walker.Next(&event); at = at + 1) {
      while (!ranges.empty() && ranges.front().end <= at) ranges.remove_prefix(1);
      if (ranges.empty()) return true;
      if (at < ranges.front().start) continue;
      if (work_ > max_work && !parts_.empty()) return false;
      Add(at, at + 1, events_.size());
      Match(event, filter, by_key);
    }
  }
  return true;
}

void EventChoices::Match(const SlicedEvent& event, const EventFilter* filter, bool by_key) {
  size_t work = 0;
  Event& choice = events_.emplace_back();
  choice.passes =
      event.field != kRemovedEvent && (filter == nullptr || filter->Matches(event.message, &work));
  work_ += std::max(work, event.field.size());
  if (!by_key || !choice.passes) return;
  const filter::Value key = EventView(event.message).Find("partitionkey");
  choice.keyed = !key.missing();
  if (choice.keyed) choice.key_hash = wire::HashOfKey(key.text());
}

void EventChoices::Add(Offset start, Offset end, size_t first) {
  if (first != kSkipped && !parts_.empty() && parts_.back().end == start &&
      parts_.back().first != kSkipped) {
    parts_.back().end = end;
    return;
  }
  parts_.push_back({start, end, first});
}

EventChoices::Parts::const_iterator EventChoices::Find(Offset offset) const {
  return std::partition_point(parts_.begin(), parts_.end(),
                              [offset](const Part& part) { return part.end <= offset; });
}

Offset EventChoices::EndFrom(Offset from) const {
  for (auto it = Find(from); it != parts_.end() && it->start <= from; ++it) from = it->end;
  return from;
}

bool EventChoices::Passed(Offset event) const {
  return Find(event)->first != kSkipped && From(event).front().passes;
}

absl::Span<const EventChoices::Event> EventChoices::From(Offset from) const {
  const Part& part = *Find(from);
  return absl::MakeConstSpan(events_).subspan(part.first + static_cast<size_t>(from - part.start),
                                              static_cast<size_t>(part.end - from));
}

}  // namespace eventhub
