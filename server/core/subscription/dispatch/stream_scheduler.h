// The scheduler of a STREAM: each partition belongs to one consumer at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/subscription/dispatch/scheduler.h"

namespace eventhub {

// Assigns partitions to consumers in equal shares (PlanAssignment). A partition moves in two steps:
// while it *drains*, its owner gets nothing new and settles the events in flight; then, or when the
// time for that is over, it goes to the next owner under a new epoch. With an ack deadline, the
// lease of a partition ends if none of its events in flight is acked in that time; its owner is
// stalled, and gets partitions again when there is no other consumer, or when a request from it
// arrives. Guarded by the subscription's mutex.
class StreamScheduler final : public Scheduler {
 public:
  explicit StreamScheduler(const DispatchContext& shared) : Scheduler(shared) {}

  std::optional<ConsumerId> OwnerOf(const PartitionCursor& cursor) const override {
    return cursor.owner;
  }
  bool MayDeliver(const PartitionCursor& cursor, const Consumer& consumer) const override {
    return cursor.owner == consumer.id && !IsDraining(cursor);
  }
  int64_t AllowanceOf(const Consumer&) const override {
    return std::numeric_limits<int64_t>::max();
  }
  bool GivesWay(const Consumer&) const override { return false; }

  void WakeForEvents(Aftermath* after) override { shared_.consumers.WakeAll(&after->wake); }
  void PassOn(Aftermath*) override {}  // Nobody else may take the events.

  void Rebalance(Aftermath* after) override;
  int64_t StartLease(PartitionCursor& cursor, int64_t now) override;
  void NoteAcked(PartitionCursor& cursor, int64_t now, Effects* effects) override;
  bool ExtendLease(PartitionCursor& cursor, int64_t due) override;
  void NoteHoldEnded(PartitionCursor& cursor, Aftermath* after) override;

 private:
  // Of a partition with an owner.
  struct Lease {
    bool draining = false;
    int64_t drain_due = 0;  // Until then its owner may still settle events.
    int64_t due = 0;        // With an ack deadline: when the lease ends.
  };

  void NoteMoved(PartitionCursor& cursor, Aftermath* after) override;
  void NoteReleased(PartitionCursor& cursor, Aftermath* after) override;
  void NoteResponsive(Consumer&, Aftermath* after) override { Rebalance(after); }
  bool Detach(PartitionCursor& cursor, ConsumerId consumer) override;
  void EndDueLeases(int64_t now, size_t* left, Aftermath* after) override;
  void RestartLeases(int64_t now, Aftermath* after) override;
  void SetLeaseAlarm(const PartitionCursor& cursor, Aftermath* after) override;

  Lease& LeaseOf(const PartitionCursor& cursor);
  bool IsDraining(const PartitionCursor& cursor) const {
    const size_t partition = cursor.id().value();
    return partition < leases_.size() && leases_[partition].draining;
  }
  void Assign(PartitionCursor& cursor, ConsumerId owner, Aftermath* after);
  // Tells the owner, once the cursor is not held.
  void Announce(const PartitionCursor& cursor, Aftermath* after);
  void StartDraining(PartitionCursor& cursor, Aftermath* after);
  // Ends the owner's lease, and its deliveries in flight. `failed`: why this is a failed attempt;
  // empty if it is not. `left`: pending ranges that may be examined; a sweep handles the rest.
  void Revoke(PartitionCursor& cursor, absl::string_view failed, size_t* left, Aftermath* after);

  std::vector<Lease> leases_;  // By partition; those beyond its end are as new.
};

}  // namespace eventhub
