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
  // Of all earlier batches of the partition, including trimmed ones.
  uint64_t bytes_before = 0;
  TypeSummary types;

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
// Immutable, and shared, once committed.
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

using RecordBatchPtr = std::shared_ptr<const RecordBatch>;

}  // namespace eventhub
