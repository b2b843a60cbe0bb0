// A record batch: consecutive events of one partition, written together, and the unit of storage
// and delivery.
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

// What the column `index` says of a batch. Its layout on disk is in FORMAT.md.
struct BatchHeader {
  uint32_t count = 0;  // Events.
  uint32_t bytes = 0;  // The size of the events region.
  int64_t append_micros =
      0;  // Wall clock, microseconds since the Unix epoch; monotonic per partition.
  uint64_t bytes_before =
      0;  // Of all batches of the partition before this one, trimmed ones included.
  TypeSummary types;

  std::string Encode() const;

  // DATA_LOSS if `value` is not a header of a version that this hub knows.
  static absl::StatusOr<BatchHeader> Decode(absl::string_view value);

  absl::Time append_time() const { return absl::FromUnixMicros(append_micros); }
};

// A batch, but for its events.
struct BatchInfo {
  Offset base;
  BatchHeader header;

  // The offset after the last event.
  Offset end() const { return base + header.count; }
};

// The events region is a run of encoded fields `repeated Event events = 15`, as it came with
// requests and as it goes out to readers; it may lie in several chunks, each of whole events.
// Immutable once committed, and shared by then.
struct RecordBatch {
  Offset base;
  BatchHeader header;
  absl::InlinedVector<SharedBytes, 1> chunks;

  // The offset after the last event.
  Offset end() const { return base + header.count; }
};

// A boundary between two batches of a partition, or an end of its log. The log start is stored as
// one, and so outlives the batches: offsets of trimmed events are never given again.
struct LogPosition {
  static constexpr size_t kEncodedSize = 20;

  Offset offset;
  uint64_t bytes_before = 0;  // As in BatchHeader.

  std::string Encode() const;
  static absl::StatusOr<LogPosition> Decode(absl::string_view value);
};

using RecordBatchPtr = std::shared_ptr<const RecordBatch>;

}  // namespace eventhub
