#include "server/core/read/topic_history.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"

namespace eventhub {

using Unresolved = HistoryStart::Unresolved;

Offset HistoryEnd(const PartitionLog& log) {
  if (log.history_start() == Offset::Max()) return Offset(0);
  return std::min(log.trimmed_to(), log.history_end());
}

absl::StatusOr<HistoryStart> FindHistoryStart(const v1::StartPosition& start,
                                              absl::string_view topic, const PartitionLog& log,
                                              const LogStore& store) {
  const Offset begin = log.history_start();
  if (begin >= HistoryEnd(log)) return HistoryStart();
  switch (start.position_case()) {
    case v1::StartPosition::kOffset: {
      const Offset offset(start.offset());
      if (offset >= log.trimmed_to()) break;
      if (offset < begin) return OffsetOutOfRange(topic, log.id(), offset, begin, log.end());
      return HistoryStart{Unresolved::kOffset, offset};
    }
    case v1::StartPosition::kTimestamp: {
      ASSIGN_OR_RETURN(const Offset offset, SeekTime(log, store, ToTime(start.timestamp())));
      // The first retained event may not be the first one of that time.
      if (offset <= log.trimmed_to()) return HistoryStart{Unresolved::kTime, offset};
      break;
    }
    case v1::StartPosition::kEarliest:
    case v1::StartPosition::POSITION_NOT_SET:
      return HistoryStart{Unresolved::kEarliest, begin};
    case v1::StartPosition::kLatest:
    case v1::StartPosition::kRetained:
      break;
  }
  return HistoryStart();
}

absl::StatusOr<Offset> ResolveInHistory(const HistoryStart& start, absl::Time time,
                                        const Topic& topic, const PartitionLog& log,
                                        const LogStore& store, History& history) {
  const ArchivedTopic archived{topic.name(), topic.id()};
  for (;;) {
    const Offset end = HistoryEnd(log);
    ASSIGN_OR_RETURN(const HistoryBounds bounds, history.Bounds(archived, log.id(), end));
    const Offset begin = std::min(bounds.begin, end);
    const Offset earliest = begin < end ? begin : log.trimmed_to();
    if (start.unresolved == Unresolved::kOffset) {
      if (start.offset >= begin) return start.offset;
      return OffsetOutOfRange(topic.name(), log.id(), start.offset, earliest, log.end());
    }
    if (start.unresolved == Unresolved::kEarliest) return std::max(start.offset, earliest);
    if (begin < end) {
      const HistoryRange range{.partition = log.id(), .from = begin, .to = end};
      ASSIGN_OR_RETURN(const Offset found, history.SeekTime(archived, range, time));
      if (found < end) return found;
    }
    ASSIGN_OR_RETURN(const Offset found, SeekTime(log, store, time));
    if (HistoryEnd(log) == end) return found;
    // Otherwise, events of the log became history meanwhile.
  }
}

absl::StatusOr<HistoryPart> ReadHistory(History& history, const Topic& topic,
                                        const PartitionLog& log, HistoryRange range,
                                        size_t max_bytes) {
  const ArchivedTopic archived{topic.name(), topic.id()};
  const Offset end = HistoryEnd(log);
  range.to = std::min(range.to, end);
  ASSIGN_OR_RETURN(const HistoryBounds bounds, history.Bounds(archived, log.id(), end));
  if (bounds.begin <= range.from) return history.Read(archived, range, max_bytes);
  return LakeDamaged(
      topic.name(), absl::StrCat("it has partition ", log.id().value(), " from offset ",
                                 bounds.begin.value(), " on, but this hub archived it from offset ",
                                 log.history_start().value(), " on"));
}

}  // namespace eventhub
