// The history of a topic, in front of its log: positions, and events.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/archive/history.h"
#include "server/core/topic/topic.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"

namespace eventhub {

// The offset up to which the lake has what the log may not have any more; 0 if it has nothing.
Offset HistoryEnd(const PartitionLog& log);

// A position that is not final until the lake was asked.
struct HistoryStart {
  enum class Unresolved : uint8_t { kNothing, kEarliest, kOffset, kTime };

  // What the lake has to confirm. kNothing: the position is in the log, and `offset` is not set.
  Unresolved unresolved = Unresolved::kNothing;
  Offset offset;  // As far as it is known.
};

// Looks for the position in the log; may read from disk. OUT_OF_RANGE: the position is an offset
// before the history. Other errors are left to ResolveStart.
absl::StatusOr<HistoryStart> FindHistoryStart(const v1::StartPosition& start,
                                              absl::string_view topic, const PartitionLog& log,
                                              const LogStore& store);

// Asks the lake, which may be slow: returns the position. `time` belongs to kTime. The errors of
// History, and OUT_OF_RANGE: the history begins after the offset.
absl::StatusOr<Offset> ResolveInHistory(const HistoryStart& start, absl::Time time,
                                        const Topic& topic, const PartitionLog& log,
                                        const LogStore& store, History& history);

// Reads events that the history must have: see History::Read. `range` begins in the history, and is
// cut to it. DATA_LOSS (REASON_LAKE_DAMAGED), too, if the lake begins after the range.
absl::StatusOr<HistoryPart> ReadHistory(History& history, const Topic& topic,
                                        const PartitionLog& log, HistoryRange range,
                                        size_t max_bytes);

}  // namespace eventhub
