// Resolves positions of the contract to offsets in a log.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"

namespace eventhub {

// Returns the offset of the position in the visible log, regardless of its history; an unset
// position is the earliest. May read from disk. OUT_OF_RANGE: the offset is trimmed or beyond the
// end.
absl::StatusOr<Offset> ResolveStart(const v1::StartPosition& start, absl::string_view topic,
                                    const PartitionLog& log, const LogStore& store);

// Confirms `offset` on the commit thread, in the commit that begins there: trims committed since it
// was resolved may have moved the start. OUT_OF_RANGE: the position names that offset, and it is
// trimmed.
absl::StatusOr<Offset> ConfirmStart(Offset offset, bool named, absl::string_view topic,
                                    const PartitionLog& log);

// Returns the run of the event before `offset`, which is in the visible log, in its history, or at
// its end; 0 if there is no event before it, or if the run of a trimmed event is not known any
// more. May read from disk.
absl::StatusOr<uint64_t> RunBefore(const PartitionLog& log, const LogStore& store, Offset offset);

// FAILED_PRECONDITION (REASON_OTHER_LOG) if a position that a client stored does not belong to this
// log. Trimmed positions are left to ResolveStart. May read from disk.
absl::Status CheckPlace(const v1::PartitionOffset& place, absl::string_view topic,
                        const PartitionLog& log, const LogStore& store);

// Returns the first offset appended at or after `time`; the end of the log if there is none.
absl::StatusOr<Offset> SeekTime(const PartitionLog& log, const LogStore& store, absl::Time time);

}  // namespace eventhub
