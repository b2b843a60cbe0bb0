// One frame of an object of the lake, decoded: its events in the form of the log's batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/object/object_reader.h"
#include "storage/record_batch.h"

namespace eventhub {

// Immutable; thread-safe. The batches share one buffer: each keeps all of it alive.
class HistoryFrame {
 public:
  // DATA_LOSS, without the name of the object, if a line is not an event with its position.
  static absl::StatusOr<std::shared_ptr<const HistoryFrame>> Decode(lake::FrameLines lines);

  // Appends the batches of the partition with events in [from, to), until they have `max_bytes`, at
  // least one if there is any. Returns the offset before which all of the frame's events are
  // appended; `to` if that is all.
  Offset Append(PartitionId partition, Offset from, Offset to, size_t max_bytes,
                std::vector<RecordBatchPtr>* batches) const;

  // The first event of the partition at `from` or later that was appended at `micros` or later;
  // Offset::Max() if there is none.
  Offset SeekTime(PartitionId partition, Offset from, int64_t micros) const;

  // In memory.
  size_t bytes() const { return bytes_; }

 private:
  struct Part {
    uint32_t partition = 0;
    std::vector<RecordBatchPtr> batches;  // By offset.
  };

  const Part* Find(PartitionId partition) const;

  std::vector<Part> parts_;
  size_t bytes_ = 0;
};

}  // namespace eventhub
