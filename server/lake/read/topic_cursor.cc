#include "server/lake/read/topic_cursor.h"

#include <algorithm>
#include <tuple>

#include "storage/base/status_macros.h"

namespace eventhub::lake {

TopicCursor::TopicCursor(const ObjectStore& store, const LakeTopic& topic, const Manifest& manifest,
                         const std::vector<uint32_t>& partitions, const ReadRange& range,
                         const std::map<uint32_t, int64_t>& starts) {
  for (const auto& [partition, archived] : manifest.archived()) {
    if (!partitions.empty() &&
        std::find(partitions.begin(), partitions.end(), partition) == partitions.end()) {
      continue;
    }
    pending_.push_back(cursors_.size());
    ReadRange own = range;
    if (const auto start = starts.find(partition); start != starts.end()) {
      own.from_offset = std::max(own.from_offset, start->second);
    }
    cursors_.push_back(
        std::make_unique<PartitionCursor>(store, topic, manifest, partition, std::move(own)));
  }
}

absl::StatusOr<bool> TopicCursor::Next() {
  const auto after = [this](size_t a, size_t b) { return After(a, b); };
  if (pending_.empty() && !heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), after);
    pending_.push_back(heap_.back());
    heap_.pop_back();
  }
  while (!pending_.empty()) {
    const size_t cursor = pending_.back();
    ASSIGN_OR_RETURN(const bool found, cursors_[cursor]->Next());
    pending_.pop_back();
    if (!found) continue;
    heap_.push_back(cursor);
    std::push_heap(heap_.begin(), heap_.end(), after);
  }
  return !heap_.empty();
}

bool TopicCursor::After(size_t a, size_t b) const {
  const auto key = [this](size_t cursor) {
    const EventPosition& position = cursors_[cursor]->event().position;
    return std::tuple(position.append_micros, position.partition, position.offset);
  };
  return key(a) > key(b);
}

uint64_t TopicCursor::bytes_read() const {
  uint64_t bytes = 0;
  for (const auto& cursor : cursors_) bytes += cursor->bytes_read();
  return bytes;
}

}  // namespace eventhub::lake
