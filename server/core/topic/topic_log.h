// How commits change a topic's logs: appends and trims, which keep its size, and the checks before
// them.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/core/topic/partition_append.h"
#include "server/core/topic/topic.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/type_summary.h"

namespace eventhub {

// Whether the topic takes further events (`Retention.refuse_when_full`); RESOURCE_EXHAUSTED if not.
// On any thread.
absl::Status CheckRoom(const Topic& topic);

// From here on all is for the commit thread.

// ABORTED if `expected` is not the next offset of the log, or the event before it not of
// `expected_run`, unless that is 0.
absl::Status CheckExpected(const Topic& topic, const PartitionLog& log, Offset expected,
                           uint64_t expected_run, const CommitBuilder& commit);

// Appends a run of events, whose types are all in `types`; stored or, if the topic keeps
// nothing, given offsets alone. Returns the offset of the first.
Offset AppendRun(Topic& topic, PartitionAppend& run, const TypeSummary& types,
                 CommitBuilder& commit);

// Moves the start of a log up to `start`, which is beyond it. `batches`: see CommitBuilder::Trim.
void TrimLog(Topic& topic, PartitionLog& log, const LogPosition& start, CommitBuilder& commit,
             absl::Span<const Offset> batches = {});

}  // namespace eventhub
