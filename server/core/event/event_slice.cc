#include "server/core/event/event_slice.h"

#include <algorithm>

#include "server/core/event/event_scanner.h"

namespace eventhub {

std::vector<EventRun> SplitIntoRuns(const SharedBytes& events, uint32_t count, size_t max_bytes) {
  if (events.size() <= max_bytes) return {{events, count}};
  std::vector<EventRun> runs;
  EventWalker walker(events);
  while (!walker.AtEnd()) {
    const char* const start = walker.position();
    SlicedEvent event;
    if (!walker.Next(&event)) break;
    size_t bytes = event.field.size();
    uint32_t run = 1;
    EventWalker ahead = walker;
    while (ahead.Next(&event)) {
      bytes += event.field.size();
      if (bytes > max_bytes) break;
      walker = ahead;
      ++run;
    }
    runs.push_back({walker.Since(start), run});
  }
  return runs;
}

void BatchSlicer::Begin(const RecordBatchPtr& batch) {
  batch_ = batch;
  chunk_ = 0;
  at_ = batch->base;
  walker_.emplace(batch->chunks.front());
}

Delivery BatchSlicer::Slice(const RecordBatchPtr& batch, PartitionId partition, Offset from,
                            Offset to, size_t max_bytes) {
  Delivery slice;
  slice.partition = partition;
  slice.base = std::max(batch->base, from);
  slice.append_micros = batch->header.append_micros;
  slice.sealed = batch->header.types.MayHave({&kSealedMark, 1});
  const Offset end = std::min(batch->end(), to);
  if (slice.base == batch->base && end == batch->end() && batch->header.bytes <= max_bytes) {
    slice.count = batch->header.count;
    slice.bytes = batch->header.bytes;
    slice.events = batch->chunks;
    return slice;
  }
  if (batch->chunks.empty()) return slice;
  if (batch_ != batch || slice.base < at_) Begin(batch);
  bool full = false;
  while (true) {
    SlicedEvent event;
    while (at_ < slice.base && walker_->Next(&event)) at_ = at_ + 1;
    const char* const start = walker_->position();
    EventWalker ahead = *walker_;
    while (at_ < end && ahead.Next(&event)) {
      const size_t bytes = event.field.size();
      full = slice.count > 0 && slice.bytes + bytes > max_bytes;
      if (full) break;
      walker_ = ahead;
      at_ = at_ + 1;
      ++slice.count;
      slice.bytes += bytes;
    }
    if (walker_->position() != start) slice.events.push_back(walker_->Since(start));
    if (full || at_ >= end || chunk_ + 1 == batch->chunks.size()) return slice;
    walker_.emplace(batch->chunks[++chunk_]);
  }
}

Delivery SliceBatch(const RecordBatch& batch, PartitionId partition, Offset from, Offset to,
                    size_t max_bytes) {
  const RecordBatchPtr unowned(RecordBatchPtr(), &batch);
  return BatchSlicer().Slice(unowned, partition, from, to, max_bytes);
}

Delivery FilterSlice(const Delivery& slice, const EventFilter* filter, size_t max_work,
                     SliceScan* scan) {
  Delivery passed;
  passed.partition = slice.partition;
  passed.append_micros = slice.append_micros;
  passed.sealed = slice.sealed;
  passed.run = slice.run;
  Offset at = slice.base;
  for (const SharedBytes& chunk : slice.events) {
    EventWalker walker(chunk);
    const char* run = walker.position();
    const char* run_end = run;  // The current run of matching events.
    const auto end_run = [&] {
      if (run == run_end) return;
      passed.events.push_back(
          chunk.Sub(absl::string_view(run, static_cast<size_t>(run_end - run))));
    };
    for (SlicedEvent event; scan->work <= max_work && walker.Next(&event); at = at + 1) {
      size_t work = 0;
      const bool removed = event.field == kRemovedEvent;
      const bool passes = !removed && (filter == nullptr || filter->Matches(event.message, &work));
      scan->work += std::max(work, event.field.size());
      ++scan->events;
      if (removed) ++scan->removed;
      if (!passes) continue;
      if (event.field.data() != run_end) {
        end_run();
        run = event.field.data();
      }
      run_end = walker.position();
      if (passed.count == 0) passed.base = at;
      passed.offset_deltas.push_back(static_cast<uint32_t>(at - passed.base));
      passed.bytes += event.field.size();
      ++passed.count;
    }
    end_run();
  }
  const bool gaps = passed.count > 0 && passed.offset_deltas.back() + 1 != passed.count;
  if (!gaps) passed.offset_deltas.clear();
  return passed;
}

}  // namespace eventhub
