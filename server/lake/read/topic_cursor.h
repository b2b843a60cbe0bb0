// TopicCursor: the events of a topic from the lake, all partitions merged by append time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/lake/read/partition_cursor.h"

namespace eventhub::lake {

// The order: append time, then partition, then offset; a partition keeps its own. Memory: that of
// a PartitionCursor for each partition. Thread-compatible; the store and the manifest must outlive
// it.
class TopicCursor {
 public:
  // Of all partitions that the manifest knows, or of those of `partitions`. Those of `starts` begin
  // at that offset, if it is behind that of the range.
  TopicCursor(const ObjectStore& store, const LakeTopic& topic, const Manifest& manifest,
              const std::vector<uint32_t>& partitions, const ReadRange& range,
              const std::map<uint32_t, int64_t>& starts = {});

  // As PartitionCursor::Next().
  absl::StatusOr<bool> Next();
  const LakeEvent& event() const { return cursors_[heap_.front()]->event(); }
  uint64_t bytes_read() const;

 private:
  bool After(size_t a, size_t b) const;

  std::vector<std::unique_ptr<PartitionCursor>> cursors_;
  std::vector<size_t> pending_;  // Cursors that have to move before the next event is known.
  std::vector<size_t> heap_;     // Cursors at an event; the first one is the next.
};

}  // namespace eventhub::lake
