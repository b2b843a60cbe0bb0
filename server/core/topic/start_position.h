// Where in a log a position of the contract is.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"

namespace eventhub {

// The offset of the position in the visible log; an unset position is the earliest. May read from
// the disk. OUT_OF_RANGE: the offset is trimmed or beyond the end.
absl::StatusOr<Offset> ResolveStart(const v1::StartPosition& start, absl::string_view topic,
                                    const PartitionLog& log, const LogStore& store);

// The same at the commit that begins there, on the commit thread: trims that were committed since
// `offset` was resolved have moved the start. OUT_OF_RANGE: the position names that offset, and it
// is trimmed.
absl::StatusOr<Offset> ConfirmStart(Offset offset, bool named, absl::string_view topic,
                                    const PartitionLog& log);

// The run of the event before `offset`, which is in the visible log or at its end; 0 if there is
// none before it. May read from the disk.
absl::StatusOr<uint64_t> RunBefore(const PartitionLog& log, const LogStore& store, Offset offset);

// FAILED_PRECONDITION (REASON_OTHER_LOG) if a place that a client kept is not one in this log. What
// was trimmed is for ResolveStart to refuse. May read from the disk.
absl::Status CheckPlace(const v1::PartitionOffset& place, absl::string_view topic,
                        const PartitionLog& log, const LogStore& store);

// The first offset that was appended at `time` or later; the end of the log if there is none.
absl::StatusOr<Offset> SeekTime(const PartitionLog& log, const LogStore& store, absl::Time time);

}  // namespace eventhub
