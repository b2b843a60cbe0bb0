// The scheduler of a QUEUE: its consumers share all partitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "server/core/subscription/dispatch/scheduler.h"

namespace eventhub {

// Any consumer takes the next events of any partition; each event has a lease of its own. One
// waiting consumer is woken at a time, and wakes the next when it has taken its share. A consumer
// with an expired lease is stalled: it gets one event at a time, and only while no other consumer
// has credit, until a request from it arrives. Guarded by the subscription's mutex.
class QueueScheduler final : public Scheduler {
 public:
  explicit QueueScheduler(const DispatchContext& shared) : Scheduler(shared) {}

  std::optional<ConsumerId> OwnerOf(const PartitionCursor&) const override { return std::nullopt; }
  bool MayDeliver(const PartitionCursor&, const Consumer&) const override { return true; }
  int64_t AllowanceOf(const Consumer& consumer) const override {
    return consumer.stalled ? consumer.probe_budget : std::numeric_limits<int64_t>::max();
  }
  bool GivesWay(const Consumer& consumer) const override {
    return consumer.stalled && shared_.consumers.AnyHealthyWithCredit();
  }

  void WakeForEvents(Aftermath* after) override { shared_.consumers.WakeNext(&after->wake); }
  void PassOn(Aftermath* after) override { WakeForEvents(after); }

  void Rebalance(Aftermath*) override {}
  int64_t StartLease(PartitionCursor&, int64_t now) override {
    return now + shared_.rules.ack_deadline;
  }
  void NoteAcked(PartitionCursor&, int64_t, Effects*) override {}
  bool ExtendLease(PartitionCursor&, int64_t) override { return false; }
  void NoteHoldEnded(PartitionCursor&, Aftermath*) override {}

 private:
  void NoteMoved(PartitionCursor&, Aftermath*) override {}
  void NoteReleased(PartitionCursor&, Aftermath*) override {}
  void NoteResponsive(Consumer& consumer, Aftermath* after) override {
    shared_.consumers.Wake(consumer, &after->wake);
  }
  bool Detach(PartitionCursor& cursor, ConsumerId) override {
    return cursor.pending().counts().leased > 0;
  }
  void EndDueLeases(int64_t, size_t*, Aftermath*) override {}  // Cursors end those of events.
  void RestartLeases(int64_t, Aftermath*) override {}
  void SetLeaseAlarm(const PartitionCursor&, Aftermath*) override {}
};

}  // namespace eventhub
