// The assignment of partitions of a STREAM subscription to consumers.
#include <utility>

#include "server/core/subscription/dispatch/assignment.h"
#include "server/core/subscription/subscription.h"

namespace eventhub {
namespace {

// The time that a consumer has to settle its events of a partition that moves. Microseconds.
constexpr int64_t kDrainTime = 30'000'000;

v1::PartitionLease Describe(const PartitionCursor& cursor) {
  v1::PartitionLease lease;
  lease.set_partition(cursor.id().value());
  lease.set_lease_epoch(cursor.epoch());
  return lease;
}

void SayRevoked(const PartitionCursor& cursor, Consumer& consumer) {
  PartitionNews& news = consumer.news[cursor.id()];
  news.revoked = Describe(cursor);
  news.assigned.reset();
  news.draining.reset();
  consumer.has_notices = true;
}

}  // namespace

void Subscription::Rebalance(Aftermath* after) {
  AddCursors();
  Reassign(after);
}

void Subscription::Reassign(Aftermath* after) {
  if (rules_.queue) return;
  std::vector<ConsumerId> owners;
  owners.reserve(cursors_.size());
  for (const auto& cursor : cursors_) owners.push_back(cursor->owner);
  const std::vector<ConsumerId> plan = PlanAssignment(owners, consumers_.Assignable());
  for (size_t p = 0; p < cursors_.size(); ++p) {
    PartitionCursor& cursor = *cursors_[p];
    if (cursor.owner == plan[p]) {
      // The consumer may keep it.
      if (std::exchange(cursor.draining, false)) NoteAssigned(cursor, after);
    } else if (cursor.owner == ConsumerId()) {
      Assign(cursor, plan[p], after);
    } else if (cursor.pending().counts().leased > 0) {
      StartDraining(cursor, after);
    } else {
      size_t left = PartitionCursor::kMaxSwept;  // Nothing is in flight.
      Revoke(cursor, "", &left, after);
      if (plan[p] != ConsumerId()) Assign(cursor, plan[p], after);
    }
  }
}

void Subscription::Assign(PartitionCursor& cursor, ConsumerId owner, Aftermath* after) {
  cursor.owner = owner;
  cursor.draining = false;
  cursor.set_epoch(context_.next_epoch.fetch_add(1));
  // The new owner starts after the settled events, so the commits that settled them must be
  // visible. Coming events may have been settled by the commit just before.
  const PendingRanges::Counts& counts = cursor.pending().counts();
  if (counts.settling > 0 || counts.coming > 0) Hold(cursor, in_commit_.last());
  NoteAssigned(cursor, after);
}

void Subscription::NoteAssigned(PartitionCursor& cursor, Aftermath* after) {
  Consumer* const consumer = consumers_.Find(cursor.owner);
  if (consumer == nullptr || cursor.held_until != 0) return;
  PartitionNews& news = consumer->news[cursor.id()];
  news.assigned = Describe(cursor);
  news.assigned->set_next_offset(cursor.acked().value());
  news.draining.reset();
  consumer->has_notices = true;
  consumers_.Wake(*consumer, &after->wake);
}

void Subscription::StartDraining(PartitionCursor& cursor, Aftermath* after) {
  if (cursor.draining) return;
  cursor.draining = true;
  const int64_t time = rules_.ack_deadline > 0 ? rules_.ack_deadline : kDrainTime;
  cursor.drain_due = Now() + time;
  SetAlarm(cursor.drain_due, after);
  Consumer* const consumer = consumers_.Find(cursor.owner);
  if (consumer == nullptr) return;
  v1::PartitionLease& lease = consumer->news[cursor.id()].draining.emplace(Describe(cursor));
  lease.mutable_time_left()->set_seconds(time / 1'000'000);
  lease.mutable_time_left()->set_nanos(static_cast<int32_t>(time % 1'000'000 * 1000));
  consumer->has_notices = true;
  consumers_.Wake(*consumer, &after->wake);
}

void Subscription::NoteMoved(PartitionCursor& cursor, Aftermath* after) {
  for (const auto& [id, consumer] : consumers_.members()) {
    if (!rules_.queue && cursor.owner != id) continue;
    SayRevoked(cursor, *consumer);
    consumers_.Wake(*consumer, &after->wake);
  }
  // Requests with the old epoch are refused.
  cursor.set_epoch(context_.next_epoch.fetch_add(1));
}

void Subscription::Revoke(PartitionCursor& cursor, absl::string_view failed, size_t* left,
                          Aftermath* after) {
  const ConsumerId owner = std::exchange(cursor.owner, ConsumerId());
  cursor.draining = false;
  if (Consumer* const consumer = consumers_.Find(owner); consumer != nullptr) {
    SayRevoked(cursor, *consumer);
    consumers_.Wake(*consumer, &after->wake);
  }
  if (cursor.pending().counts().leased == 0) return;
  Effects effects;
  if (failed.empty()) {
    cursor.Recall(rules_, owner, &effects, left);
  } else {
    cursor.Fail(rules_, owner, failed, &effects, left);
  }
  Conclude(cursor, effects, after);
}

void Subscription::RevokeOverdue(int64_t now, size_t* left, Aftermath* after) {
  if (rules_.queue) return;
  bool revoked = false;
  for (const auto& cursor : cursors_) {
    if (cursor->owner == ConsumerId() || cursor->pending().counts().leased == 0) continue;
    if (cursor->sweeping()) continue;  // Leases may belong to an earlier owner; the alarm repeats.
    const bool lease_over = rules_.ack_deadline > 0 && now >= cursor->lease_due;
    if (!lease_over && !(cursor->draining && now >= cursor->drain_due)) {
      if (cursor->draining) SetAlarm(cursor->drain_due, after);
      if (rules_.ack_deadline > 0) SetAlarm(cursor->lease_due, after);
      continue;
    }
    if (*left == 0) {
      SetAlarm(now, after);  // The rest follows with the next alarm.
      break;
    }
    // Other consumers are tried before this one gets partitions again.
    if (Consumer* const consumer = consumers_.Find(cursor->owner); consumer != nullptr) {
      consumer->stalled = true;
    }
    counters_.expired += static_cast<uint64_t>(cursor->pending().counts().leased);
    // The end of a drain is not a failed attempt.
    Revoke(*cursor, lease_over ? "the lease ended without an ack" : "", left, after);
    revoked = true;
  }
  if (revoked) Rebalance(after);
}

}  // namespace eventhub
