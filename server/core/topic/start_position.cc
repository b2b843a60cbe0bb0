#include "server/core/topic/start_position.h"

#include <algorithm>
#include <optional>

#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"
#include "storage/base/status_macros.h"
#include "storage/run_history.h"

namespace eventhub {

absl::StatusOr<Offset> ResolveStart(const v1::StartPosition& start, absl::string_view topic,
                                    const PartitionLog& log, const LogStore& store) {
  switch (start.position_case()) {
    case v1::StartPosition::kLatest:
      return log.end();
    case v1::StartPosition::kTimestamp:
      return SeekTime(log, store, ToTime(start.timestamp()));
    case v1::StartPosition::kOffset: {
      const Offset offset(start.offset());
      const Offset earliest = log.trimmed_to();
      if (offset < earliest || offset > log.end()) {
        return OffsetOutOfRange(topic, log.id(), offset, earliest, log.end());
      }
      return offset;
    }
    case v1::StartPosition::kEarliest:
    case v1::StartPosition::kRetained:
    case v1::StartPosition::POSITION_NOT_SET:
      break;
  }
  return std::min(log.trimmed_to(), log.end());
}

absl::StatusOr<Offset> ConfirmStart(Offset offset, bool named, absl::string_view topic,
                                    const PartitionLog& log) {
  const Offset start = log.next_start().offset;
  if (offset >= start) return offset;
  if (named) return OffsetOutOfRange(topic, log.id(), offset, start, log.end());
  return start;
}

absl::StatusOr<uint64_t> RunBefore(const PartitionLog& log, const LogStore& store, Offset offset) {
  if (offset == Offset(0)) return 0;
  const Offset last = offset + -1;
  if (last >= log.run_start()) return store.runs().current(log.topic());
  ASSIGN_OR_RETURN(const LogRun run, store.runs().Find(log.topic(), log.id(), last));
  return run.noted || offset >= log.start() ? run.id : 0;
}

absl::Status CheckPlace(const v1::PartitionOffset& place, absl::string_view topic,
                        const PartitionLog& log, const LogStore& store) {
  const Offset offset(place.offset());
  const Offset readable = std::min(log.start(), log.history_start());
  if (place.run() == 0 || offset == Offset(0) || offset < readable) return absl::OkStatus();
  const Offset end = log.end();
  if (offset <= end) {
    ASSIGN_OR_RETURN(const uint64_t run, RunBefore(log, store, offset));
    if (run == place.run() || run == 0) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::optional<LogRun> run,
                   store.runs().FindId(log.topic(), log.id(), place.run()));
  std::optional<Offset> agreed;
  if (run.has_value() && run->first < offset) agreed = std::min({run->end, offset, end});
  return OtherLog(topic, log.id(), offset, agreed, readable, end);
}

absl::StatusOr<Offset> SeekTime(const PartitionLog& log, const LogStore& store, absl::Time time) {
  for (;;) {
    LogBounds range;
    range.start = log.trimmed_to();
    range.end = log.end();
    const absl::StatusOr<LogPosition> position = store.SeekTime(log.topic(), log.id(), range, time);
    if (position.ok()) return position->offset;
    // Trimmed during the search: search the rest again.
    if (!absl::IsNotFound(position.status()) || log.trimmed_to() == range.start) {
      return position.status();
    }
  }
}

}  // namespace eventhub
