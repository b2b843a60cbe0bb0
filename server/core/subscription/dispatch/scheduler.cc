#include "server/core/subscription/dispatch/scheduler.h"

#include <iterator>
#include <utility>

#include "absl/base/macros.h"
#include "server/core/subscription/dispatch/notices.h"
#include "server/core/subscription/dispatch/queue_scheduler.h"
#include "server/core/subscription/dispatch/stream_scheduler.h"

namespace eventhub {
namespace {

// The time after which a cursor that only filters events out is written. Microseconds.
constexpr int64_t kKeepPassedAfter = 1'000'000;

}  // namespace

std::unique_ptr<Scheduler> Scheduler::Create(const DispatchContext& shared) {
  if (shared.rules.queue) return std::make_unique<QueueScheduler>(shared);
  return std::make_unique<StreamScheduler>(shared);
}

void Scheduler::Conclude(PartitionCursor& cursor, Effects& effects, Aftermath* after) {
  ABSL_ASSERT(effects.in_commit.empty() || (after->commit > 0 && effects.commit == after->commit));
  ConsumerGroup& consumers = shared_.consumers;
  shared_.cursors.Record(cursor, effects);
  shared_.counters.expired += static_cast<uint64_t>(effects.expired);
  for (const ConsumerId id : effects.overdue) consumers.MarkOverdue(id);
  for (const auto& [id, usage] : effects.released) consumers.Release(id, usage, &after->wake);
  if (!effects.trimmed.empty()) {
    consumers.NoteTrimmed(cursor.id(), OwnerOf(cursor), effects.trimmed, &after->wake);
  }
  std::move(effects.parked.begin(), effects.parked.end(), std::back_inserter(after->park));
  NoteChange(cursor, after);
  if (cursor.sweeping())
    after->SetAlarm(shared_.Now());  // The sweep continues with the next alarm.
  isolation_.Note(cursor, after);
  if (effects.more_to_deliver) WakeForEvents(after);
  if (!effects.released.empty()) NoteReleased(cursor, after);
}

void Scheduler::NoteChange(PartitionCursor& cursor, Aftermath* after) {
  if (cursor.dirty()) {
    shared_.cursors.MarkDirty(cursor);
    after->flush = true;
  }
  after->SetAlarm(cursor.pending().next_due());
}

bool Scheduler::DropTrimmed(PartitionCursor& cursor, Aftermath* after) {
  Effects effects;
  size_t left = PartitionCursor::kMaxSwept;
  const bool done = cursor.DropTrimmed(&effects, &left);
  if (!effects.trimmed.empty()) Conclude(cursor, effects, after);
  if (!done) after->SetAlarm(shared_.Now());
  return done;
}

void Scheduler::NoteDelivered(PartitionCursor& cursor, int64_t now, Aftermath* after) {
  NoteChange(cursor, after);
  if (cursor.passed()) after->SetAlarm(now + kKeepPassedAfter);
  if (cursor.pending().counts().leased > 0) SetLeaseAlarm(cursor, after);
}

void Scheduler::EndLeases(PartitionCursor& cursor, Aftermath* after) {
  for (const auto& [id, consumer] : shared_.consumers.members()) {
    if (!Serves(cursor, *consumer)) continue;
    NoteRevoked(cursor, *consumer);
    shared_.consumers.Wake(*consumer, &after->wake);
  }
  cursor.set_epoch(shared_.NewEpoch());  // Requests with the old epoch are refused.
  NoteMoved(cursor, after);
}

void Scheduler::MarkResponsive(Consumer& consumer, Aftermath* after) {
  if (std::exchange(consumer.stalled, false)) NoteResponsive(consumer, after);
}

void Scheduler::Disconnect(Consumer& consumer, absl::string_view failed, Aftermath* after) {
  consumer.closed = true;
  size_t left = PartitionCursor::kMaxSwept;
  for (const auto& cursor : shared_.cursors) {
    if (!Detach(*cursor, consumer.id) || consumer.out.events == 0) continue;
    Effects effects;
    if (failed.empty()) {
      cursor->Recall(shared_.rules, consumer.id, &effects, &left);
    } else {
      cursor->Fail(shared_.rules, consumer.id, failed, &effects, &left);
    }
    Conclude(*cursor, effects, after);
  }
  shared_.consumers.Remove(consumer.id);
  Rebalance(after);
  shared_.consumers.WakeAll(&after->wake);
}

void Scheduler::EndDue(int64_t now, size_t* left, Aftermath* after) {
  EndDueLeases(now, left, after);
  isolation_.EndIfDue(now, left, after);
}

void Scheduler::ChangeAckDeadline(int64_t now, Aftermath* after) {
  for (const auto& [id, consumer] : shared_.consumers.members()) {
    NoteAckDeadline(shared_.rules.ack_deadline, *consumer);
  }
  RestartLeases(now, after);
}

}  // namespace eventhub
