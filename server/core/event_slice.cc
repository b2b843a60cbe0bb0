#include "server/core/event_slice.h"

#include <algorithm>

#include "server/core/wire.h"

namespace eventhub {
namespace {

// Walks over the events of a chunk; the bytes were validated when they were published.
class EventWalker {
 public:
  explicit EventWalker(const SharedBytes& chunk) : chunk_(&chunk), reader_(chunk.view()) {}

  bool AtEnd() const { return reader_.AtEnd(); }
  const char* position() const { return reader_.position(); }

  // Returns the size of the event stepped over.
  size_t Step() {
    const char* const start = reader_.position();
    uint32_t field;
    WireType type;
    if (!reader_.ReadTag(&field, &type) || !reader_.Skip(type)) return 0;
    return static_cast<size_t>(reader_.position() - start);
  }

  SharedBytes Since(const char* start) const {
    return chunk_->Sub(absl::string_view(start, static_cast<size_t>(position() - start)));
  }

 private:
  const SharedBytes* chunk_;
  WireReader reader_;
};

}  // namespace

std::vector<EventRun> CutIntoRuns(const SharedBytes& events, uint32_t count, size_t max_bytes) {
  if (events.size() <= max_bytes) return {{events, count}};
  std::vector<EventRun> runs;
  EventWalker walker(events);
  while (!walker.AtEnd()) {
    const char* const start = walker.position();
    size_t bytes = walker.Step();
    if (bytes == 0) break;
    uint32_t run = 1;
    while (!walker.AtEnd()) {
      EventWalker ahead = walker;
      bytes += ahead.Step();
      if (bytes > max_bytes) break;
      walker = ahead;
      ++run;
    }
    runs.push_back({walker.Since(start), run});
  }
  return runs;
}

Delivery SliceBatch(const RecordBatch& batch, PartitionId partition, Offset from, Offset to,
                    size_t max_bytes) {
  Delivery slice;
  slice.partition = partition;
  slice.base = std::max(batch.base, from);
  slice.append_micros = batch.header.append_micros;
  const Offset end = std::min(batch.end(), to);
  if (slice.base == batch.base && end == batch.end() && batch.header.bytes <= max_bytes) {
    slice.count = batch.header.count;
    slice.bytes = batch.header.bytes;
    slice.events = batch.chunks;
    return slice;
  }
  Offset at = batch.base;
  bool full = false;
  for (const SharedBytes& chunk : batch.chunks) {
    EventWalker walker(chunk);
    while (at < slice.base && !walker.AtEnd() && walker.Step() > 0) at = at + 1;
    const char* const start = walker.position();
    while (at < end && !walker.AtEnd() && !full) {
      EventWalker ahead = walker;
      const size_t bytes = ahead.Step();
      full = bytes == 0 || (slice.count > 0 && slice.bytes + bytes > max_bytes);
      if (full) break;
      walker = ahead;
      at = at + 1;
      ++slice.count;
      slice.bytes += bytes;
    }
    if (walker.position() != start) slice.events.push_back(walker.Since(start));
    if (full || at >= end) break;
  }
  return slice;
}

}  // namespace eventhub
