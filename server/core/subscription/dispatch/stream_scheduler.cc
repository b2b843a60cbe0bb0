#include "server/core/subscription/dispatch/stream_scheduler.h"

#include <utility>
#include <vector>

#include "server/core/subscription/dispatch/assignment.h"
#include "server/core/subscription/dispatch/notices.h"

namespace eventhub {
namespace {

// The time that a consumer has to settle its events of a partition that moves, without an ack
// deadline. Microseconds.
constexpr int64_t kDrainTime = 30'000'000;

}  // namespace

void StreamScheduler::Rebalance(Aftermath* after) {
  CursorSet& cursors = shared_.cursors;
  std::vector<ConsumerId> owners;
  owners.reserve(cursors.size());
  for (const auto& cursor : cursors) owners.push_back(cursor->owner);
  const std::vector<ConsumerId> plan = PlanAssignment(owners, shared_.consumers.Assignable());
  for (size_t p = 0; p < plan.size(); ++p) {
    PartitionCursor& cursor = *cursors[p];
    if (cursor.owner == plan[p]) {
      // The consumer may keep it.
      if (std::exchange(LeaseOf(cursor).draining, false)) Announce(cursor, after);
    } else if (cursor.owner == ConsumerId()) {
      Assign(cursor, plan[p], after);
    } else if (cursor.pending().counts().leased > 0 && !cursor.seeking()) {
      StartDraining(cursor, after);
    } else {
      size_t left = PartitionCursor::kMaxSwept;  // Nothing is in flight.
      Revoke(cursor, "", &left, after);
      if (plan[p] != ConsumerId()) Assign(cursor, plan[p], after);
    }
  }
}

StreamScheduler::Lease& StreamScheduler::LeaseOf(const PartitionCursor& cursor) {
  const size_t partition = cursor.id().value();
  if (partition >= leases_.size()) leases_.resize(shared_.cursors.size());
  return leases_[partition];
}

void StreamScheduler::Assign(PartitionCursor& cursor, ConsumerId owner, Aftermath* after) {
  cursor.owner = owner;
  LeaseOf(cursor).draining = false;
  cursor.set_epoch(shared_.NewEpoch());
  // The new owner starts after the settled events, so the commits that settled them must be
  // visible. Coming events may have been settled by the commit just before.
  const PendingRanges::Counts& counts = cursor.pending().counts();
  if (counts.settling > 0 || counts.coming > 0) {
    shared_.cursors.Hold(cursor, shared_.cursors.last_in_commit());
  }
  cursor.waits_for_parking = true;
  Announce(cursor, after);
}

void StreamScheduler::Announce(const PartitionCursor& cursor, Aftermath* after) {
  Consumer* const owner = shared_.consumers.Find(cursor.owner);
  if (owner == nullptr || cursor.held()) return;
  NoteAssigned(cursor, *owner);
  shared_.consumers.Wake(*owner, &after->wake);
}

void StreamScheduler::NoteHoldEnded(PartitionCursor& cursor, Aftermath* after) {
  Announce(cursor, after);
}

void StreamScheduler::NoteMoved(PartitionCursor& cursor, Aftermath* after) {
  if (cursor.owner != ConsumerId()) Assign(cursor, cursor.owner, after);
}

void StreamScheduler::StartDraining(PartitionCursor& cursor, Aftermath* after) {
  Lease& lease = LeaseOf(cursor);
  if (std::exchange(lease.draining, true)) return;
  const int64_t deadline = shared_.rules.ack_deadline;
  const int64_t time = deadline > 0 ? deadline : kDrainTime;
  lease.drain_due = shared_.Now() + time;
  after->SetAlarm(lease.drain_due);
  Consumer* const owner = shared_.consumers.Find(cursor.owner);
  if (owner == nullptr) return;
  NoteDraining(cursor, time, *owner);
  shared_.consumers.Wake(*owner, &after->wake);
}

void StreamScheduler::Revoke(PartitionCursor& cursor, absl::string_view failed, size_t* left,
                             Aftermath* after) {
  const ConsumerId owner = std::exchange(cursor.owner, ConsumerId());
  LeaseOf(cursor).draining = false;
  if (Consumer* const consumer = shared_.consumers.Find(owner); consumer != nullptr) {
    NoteRevoked(cursor, *consumer);
    shared_.consumers.Wake(*consumer, &after->wake);
  }
  if (cursor.pending().counts().leased == 0) return;
  Effects effects;
  if (failed.empty()) {
    cursor.Recall(shared_.rules, owner, &effects, left);
  } else {
    cursor.Fail(shared_.rules, owner, failed, &effects, left);
  }
  Conclude(cursor, effects, after);
}

bool StreamScheduler::Detach(PartitionCursor& cursor, ConsumerId consumer) {
  if (cursor.owner != consumer) return false;
  cursor.owner = ConsumerId();
  LeaseOf(cursor).draining = false;
  return true;
}

void StreamScheduler::NoteReleased(PartitionCursor& cursor, Aftermath* after) {
  if (IsDraining(cursor) && cursor.pending().counts().leased == 0) Rebalance(after);
}

void StreamScheduler::EndDueLeases(int64_t now, size_t* left, Aftermath* after) {
  const bool expires = shared_.rules.ack_deadline > 0;
  bool revoked = false;
  for (const auto& cursor : shared_.cursors) {
    if (cursor->owner == ConsumerId() || cursor->pending().counts().leased == 0) continue;
    // Leases may belong to an earlier owner; the alarm repeats.
    if (cursor->sweeping() || cursor->seeking()) continue;
    const Lease& lease = LeaseOf(*cursor);
    const bool expired = expires && now >= lease.due;
    if (!expired && !(lease.draining && now >= lease.drain_due)) {
      if (lease.draining) after->SetAlarm(lease.drain_due);
      if (expires) after->SetAlarm(lease.due);
      continue;
    }
    if (*left == 0) {
      after->SetAlarm(now);  // The rest follows with the next alarm.
      break;
    }
    // Other consumers are tried before this one gets partitions again.
    if (Consumer* const owner = shared_.consumers.Find(cursor->owner); owner != nullptr) {
      owner->stalled = true;
    }
    shared_.counters.expired += static_cast<uint64_t>(cursor->pending().counts().leased);
    // The end of a drain is not a failed attempt.
    Revoke(*cursor, expired ? "the lease ended without an ack" : "", left, after);
    revoked = true;
  }
  if (revoked) Rebalance(after);
}

int64_t StreamScheduler::StartLease(PartitionCursor& cursor, int64_t now) {
  cursor.waits_for_parking = false;
  if (cursor.pending().counts().leased == 0) LeaseOf(cursor).due = now + shared_.rules.ack_deadline;
  return std::numeric_limits<int64_t>::max();
}

void StreamScheduler::NoteAcked(PartitionCursor& cursor, int64_t now, Effects* effects) {
  LeaseOf(cursor).due = now + shared_.rules.ack_deadline;
  // The last attempt of an event is made without others; they follow now.
  effects->more_to_deliver |= shared_.rules.max_attempts > 0;
}

bool StreamScheduler::ExtendLease(PartitionCursor& cursor, int64_t due) {
  LeaseOf(cursor).due = due;
  return true;
}

void StreamScheduler::RestartLeases(int64_t now, Aftermath* after) {
  for (const auto& cursor : shared_.cursors) {
    LeaseOf(*cursor).due = now + shared_.rules.ack_deadline;
    NoteDelivered(*cursor, now, after);
  }
}

void StreamScheduler::SetLeaseAlarm(const PartitionCursor& cursor, Aftermath* after) {
  if (shared_.rules.ack_deadline > 0) after->SetAlarm(LeaseOf(cursor).due);
}

}  // namespace eventhub
