#include "server/core/compaction/batch_rewriter.h"

#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/core/event/event_slice.h"

namespace eventhub {
namespace {

// This many removed events in a row take about the same space as the entry of a batch.
constexpr size_t kLongGap = 64;

struct Event {
  absl::string_view field;
  bool stays;
};

std::vector<Event> EventsOf(const RecordBatch& batch, const std::vector<bool>& keep,
                            RemovedEvents* removed) {
  std::vector<Event> events;
  events.reserve(batch.header.count);
  for (const SharedBytes& chunk : batch.chunks) {
    EventWalker walker(chunk);
    for (SlicedEvent event; walker.Next(&event);) {
      const bool present = event.field != kRemovedEvent;
      const bool stays = present && keep[events.size()];
      if (present && !stays) ++removed->events;
      events.push_back({event.field, stays});
    }
  }
  return events;
}

size_t GapAt(const std::vector<Event>& events, size_t at) {
  size_t end = at;
  while (end < events.size() && !events[end].stays) ++end;
  return end - at;
}

// The end of the part that begins at `at`: a gap that is long or all there is, or events and the
// short gaps between them.
size_t EndOfPart(const std::vector<Event>& events, size_t at, bool* gone) {
  const size_t gap = GapAt(events, at);
  *gone = gap >= kLongGap || gap == events.size();
  if (*gone) return at + gap;
  size_t end = at;
  while (end < events.size()) {
    const size_t next = GapAt(events, end);
    if (next >= kLongGap) break;
    end += next == 0 ? 1 : next;
  }
  return end;
}

SharedBytes Region(absl::Span<const Event> events) {
  size_t bytes = 0;
  for (const Event& event : events) {
    bytes += event.stays ? event.field.size() : kRemovedEvent.size();
  }
  char* to;
  SharedBytes region = SharedBytes::Allocate(bytes, &to);
  for (const Event& event : events) {
    const absl::string_view field = event.stays ? event.field : kRemovedEvent;
    std::memcpy(to, field.data(), field.size());
    to += field.size();
  }
  return region;
}

}  // namespace

void BatchRewriter::Add(const RecordBatch& batch, const std::vector<bool>& keep) {
  added_.emplace(batch.base, ContentOf(batch));
  if (batch.header.gone()) return Append(batch);
  const uint64_t removed_before = removed_.events;
  const std::vector<Event> events = EventsOf(batch, keep, &removed_);
  if (removed_.events == removed_before) return Append(batch);
  // The bytes saved by earlier compactions are counted in the first part with removed events.
  uint64_t saved_before = batch.header.removed_bytes;
  uint64_t bytes_before = batch.header.bytes_before;
  for (size_t at = 0; at < events.size();) {
    bool gone;
    const size_t end = EndOfPart(events, at, &gone);
    const auto part = absl::MakeConstSpan(events).subspan(at, end - at);
    RecordBatch written;
    written.base = batch.base + static_cast<int64_t>(at);
    written.header = batch.header;
    written.header.count = static_cast<uint32_t>(part.size());
    written.header.removed = 0;
    uint64_t size = 0;
    for (const Event& event : part) {
      size += event.field.size();
      if (!event.stays) ++written.header.removed;
    }
    if (!gone) written.chunks.push_back(Region(part));
    written.header.bytes = gone ? 0 : static_cast<uint32_t>(written.chunks.front().size());
    removed_.bytes += size - written.header.bytes;
    if (written.header.removed > 0) size += std::exchange(saved_before, 0);
    written.header.bytes_before = bytes_before;
    written.header.removed_bytes = size - written.header.bytes;
    bytes_before += size;
    Append(std::move(written));
    at = end;
  }
}

void BatchRewriter::Append(RecordBatch batch) {
  constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
  if (!batches_.empty() && batch.header.gone()) {
    BatchHeader& last = batches_.back().header;
    if (last.gone() && last.count <= kMost - batch.header.count) {
      last.count += batch.header.count;
      last.removed += batch.header.removed;
      last.removed_bytes += batch.header.removed_bytes;
      last.append_micros = batch.header.append_micros;
      return;
    }
  }
  batches_.push_back(std::move(batch));
}

RewrittenBatches BatchRewriter::Finish() && {
  RewrittenBatches rewritten{.removed = removed_};
  for (RecordBatch& batch : batches_) {
    const auto added = added_.find(batch.base);
    if (added != added_.end() && added->second == ContentOf(batch)) {
      added_.erase(added);
    } else {
      rewritten.batches.push_back(std::move(batch));
    }
  }
  for (const auto& [base, content] : added_) rewritten.old.push_back(base);
  return rewritten;
}

}  // namespace eventhub
