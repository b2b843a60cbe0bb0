// Changes of a topic's logs by commits: appends and trims, which maintain its size, and the checks
// before them.
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

// Returns RESOURCE_EXHAUSTED if the topic is full (`Retention.refuse_when_full`), or if the lake is
// too far behind. Any thread.
absl::Status CheckNotFull(const Topic& topic);

// The functions below run on the commit thread.

// Returns the number of events that the topic has and the lake has not confirmed; 0 if it is not
// archived.
uint64_t CountUnarchived(const Topic& topic);

// FAILED_PRECONDITION if the topic does not keep every event, as dead letters require.
absl::Status CheckKeepsLetters(const Topic& topic);

// ABORTED if `expected` is not the next offset of the log, or if `expected_run` is not 0 and the
// event before it belongs to another run.
absl::Status CheckExpected(const Topic& topic, const PartitionLog& log, Offset expected,
                           uint64_t expected_run, const CommitBuilder& commit);

// Appends a run of events; `types` includes all their types. If the topic keeps nothing, the events
// are given offsets but not stored. Returns the offset of the first.
Offset AppendRun(Topic& topic, PartitionAppend& run, const TypeSummary& types,
                 CommitBuilder& commit);

// Moves the start of a log up to `start`, which is beyond it. `batches`: see CommitBuilder::Trim.
void TrimLog(Topic& topic, PartitionLog& log, const LogPosition& start, CommitBuilder& commit,
             absl::Span<const Offset> batches = {});

}  // namespace eventhub
