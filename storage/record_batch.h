// A record batch: consecutive events of one partition that are written together; the unit of
// storage and delivery.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/types.h"
#include "storage/type_summary.h"

namespace eventhub {

// The value of a batch in the column `index`. FORMAT.md describes its layout.
struct BatchHeader {
  uint32_t count = 0;  // Events.
  uint32_t bytes = 0;  // The size of the events region.
  // Wall clock, microseconds since the Unix epoch; never decreases within a partition.
  int64_t append_micros = 0;
  // The size of all earlier batches of the partition as they were appended, including trimmed and
  // removed events.
  uint64_t bytes_before = 0;
  TypeSummary types;
  // Events that compaction removed, at most `count`. They are empty in the events region, which
  // does not exist if all of them are removed.
  uint32_t removed = 0;
  // By how much that made the region smaller than it was when the events were appended.
  uint64_t removed_bytes = 0;

  // Whether all events are removed: there is nothing to read.
  bool gone() const { return removed == count; }

  std::string Encode() const;

  // Returns DATA_LOSS if `value` is not a header of a version known to this hub.
  static absl::StatusOr<BatchHeader> Decode(absl::string_view value);

  absl::Time append_time() const { return absl::FromUnixMicros(append_micros); }
};

// A batch without its events.
struct BatchInfo {
  Offset base;
  BatchHeader header;

  // The offset after the last event.
  Offset end() const { return base + header.count; }
};

// The events region is a sequence of encoded fields `repeated Event events = 15`, as received in
// requests and as sent to readers. It may consist of several chunks, each of complete events.
// Immutable, and shared, once committed; compaction replaces whole batches in the store.
struct RecordBatch {
  Offset base;
  BatchHeader header;
  absl::InlinedVector<SharedBytes, 1> chunks;

  // The offset after the last event.
  Offset end() const { return base + header.count; }
};

// A boundary between two batches of a partition, or an end of its log. The log start is stored as
// one, and so outlives the batches: offsets of trimmed events are never reused.
struct LogPosition {
  static constexpr size_t kEncodedSize = 20;

  Offset offset;
  uint64_t bytes_before = 0;  // As in BatchHeader.

  std::string Encode() const;
  static absl::StatusOr<LogPosition> Decode(absl::string_view value);
};

// The position after a batch.
LogPosition EndOf(Offset base, const BatchHeader& header);

using RecordBatchPtr = std::shared_ptr<const RecordBatch>;

}  // namespace eventhub
