#include "server/core/topic/topic_log.h"

#include <algorithm>
#include <utility>

#include "server/core/base/errors.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr absl::Duration kTopicFullRetry = absl::Seconds(1);

}  // namespace

absl::Status CheckNotFull(const Topic& topic) {
  const uint64_t held = topic.held_bytes();
  const uint64_t limit = topic.full_at();
  if (held >= limit) return TopicFull(topic.name(), held, limit, kTopicFullRetry);
  if (held < topic.archive_full_at()) return absl::OkStatus();
  return ArchiveBehind(topic.name(), kTopicFullRetry);
}

uint64_t CountUnarchived(const Topic& topic) {
  if (!topic.archive_hold().active()) return 0;
  uint64_t events = 0;
  const std::shared_ptr<const TopicView> view = topic.view();
  for (const PartitionLog* log : view->partitions) {
    const Offset from = std::max(topic.archive_hold().Of(log->id()), log->next_start().offset);
    if (from < log->next_offset()) events += static_cast<uint64_t>(log->next_offset() - from);
  }
  return events;
}

absl::Status CheckKeepsLetters(const Topic& topic) {
  if (topic.keeps_nothing()) return TopicKeepsNothing(topic.name());
  return topic.keeps_latest() ? TopicKeepsOnlyLatest(topic.name()) : absl::OkStatus();
}

Offset AppendRun(Topic& topic, PartitionAppend& run, const TypeSummary& types,
                 CommitBuilder& commit) {
  const size_t bytes = run.events.size();
  if (topic.keeps_nothing()) return commit.AppendWithoutStorage(*run.log, bytes, run.count);
  topic.AddHeld(static_cast<int64_t>(bytes));
  if (!topic.keeps_latest()) {
    return commit.Append(*run.log, std::move(run.events), run.count, types);
  }
  const Offset base = commit.Append(*run.log, run.events, run.count, types);
  topic.latest().NoteAppended(run.log->id(), base, run.events, commit);
  return base;
}

absl::Status CheckExpected(const Topic& topic, const PartitionLog& log, Offset expected,
                           uint64_t expected_run, const CommitBuilder& commit) {
  if (log.next_offset() != expected) {
    return OffsetMismatch(topic.name(), log.id(), expected, log.next_offset());
  }
  if (expected_run == 0 || expected == Offset(0)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t run, RunBefore(log, commit.store(), expected));
  return run == expected_run ? absl::OkStatus() : ExpectsOtherLog(topic.name(), log.id(), expected);
}

void TrimLog(Topic& topic, PartitionLog& log, const LogPosition& start, CommitBuilder& commit,
             absl::Span<const Offset> batches) {
  const uint64_t bytes = start.bytes_before - log.next_start().bytes_before;
  topic.AddHeld(-static_cast<int64_t>(bytes));
  commit.Trim(log, start, batches);
}

}  // namespace eventhub
