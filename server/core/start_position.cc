#include "server/core/start_position.h"

#include "server/core/errors.h"

namespace eventhub {

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

absl::StatusOr<Offset> ResolveStart(const v1::StartPosition& start, absl::string_view topic,
                                    const PartitionLog& log, const LogStore& store) {
  switch (start.position_case()) {
    case v1::StartPosition::kLatest:
      return log.end();
    case v1::StartPosition::kTimestamp:
      return SeekTime(log, store, ToTime(start.timestamp()));
    case v1::StartPosition::kOffset: {
      const Offset offset(start.offset());
      if (offset < log.start() || offset > log.end()) {
        return OffsetOutOfRange(topic, log.id(), offset, log.start(), log.end());
      }
      return offset;
    }
    case v1::StartPosition::kEarliest:
    case v1::StartPosition::POSITION_NOT_SET:
      break;
  }
  return log.start();
}

absl::StatusOr<Offset> SeekTime(const PartitionLog& log, const LogStore& store, absl::Time time) {
  for (;;) {
    LogBounds range;
    range.start = log.trimmed_to();
    range.end = log.end();
    const absl::StatusOr<LogPosition> position = store.SeekTime(log.topic(), log.id(), range, time);
    if (position.ok()) return position->offset;
    // Trimmed under the search: what is left is searched again.
    if (!absl::IsNotFound(position.status()) || log.trimmed_to() == range.start) {
      return position.status();
    }
  }
}

}  // namespace eventhub
