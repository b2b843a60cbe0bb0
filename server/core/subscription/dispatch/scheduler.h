// Decides which consumer gets the events of which partition, and who is woken for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/strings/string_view.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/aftermath.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/dispatch_context.h"
#include "server/core/subscription/dispatch/isolation.h"

namespace eventhub {

// In a QUEUE each consumer takes events of any partition, under leases of their own
// (QueueScheduler). In a STREAM each partition is assigned to one consumer (StreamScheduler).
//
// Every operation on a cursor ends with Conclude, which returns credit, wakes consumers, and
// schedules what is left to do. Guarded by the subscription's mutex.
class Scheduler {
 public:
  // The scheduler for the kind of subscription that the rules name.
  static std::unique_ptr<Scheduler> Create(const DispatchContext& shared);

  virtual ~Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // ---- Operations on cursors.

  // Applies the effects of an operation, except for those on the cursor itself.
  void Conclude(PartitionCursor& cursor, Effects& effects, Aftermath* after);
  // Drops what retention removed; examines at most PartitionCursor::kMaxSwept pending ranges.
  // Returns false if there is more, which follows with an alarm: nothing may be delivered before.
  bool DropTrimmed(PartitionCursor& cursor, Aftermath* after);
  // Call after deliveries from a cursor, instead: schedules its write, and the end of its leases.
  void NoteDelivered(PartitionCursor& cursor, int64_t now, Aftermath* after);
  // The cursor moves to another position: ends all its leases, and tells the consumers. The caller
  // takes the events back, which Conclude follows.
  void EndLeases(PartitionCursor& cursor, Aftermath* after);

  // ---- Who gets events.

  // The only consumer that gets events of the partition; nullopt: any.
  virtual std::optional<ConsumerId> OwnerOf(const PartitionCursor& cursor) const = 0;
  bool Serves(const PartitionCursor& cursor, const Consumer& consumer) const {
    const std::optional<ConsumerId> owner = OwnerOf(cursor);
    return !owner.has_value() || *owner == consumer.id;
  }
  // Whether the partition gives further events to the consumer.
  virtual bool MayDeliver(const PartitionCursor& cursor, const Consumer& consumer) const = 0;
  // The number of events that the consumer may get, besides its credit.
  virtual int64_t AllowanceOf(const Consumer& consumer) const = 0;
  // Whether other consumers are preferred.
  virtual bool GivesWay(const Consumer& consumer) const = 0;
  Isolation& isolation() { return isolation_; }

  // ---- Waking.

  // There may be events to deliver.
  virtual void WakeForEvents(Aftermath* after) = 0;
  // A consumer took its share, or cannot take any: others may take the rest.
  virtual void PassOn(Aftermath* after) = 0;

  // ---- Consumers and time.

  // Distributes the partitions, after consumers or partitions were added or removed.
  virtual void Rebalance(Aftermath* after) = 0;
  // A request arrived from the consumer: it is not stalled.
  void MarkResponsive(Consumer& consumer, Aftermath* after);
  // Ends all leases of the consumer, and closes and removes it. `failed`: why this is a failed
  // attempt; empty if it is not.
  void Disconnect(Consumer& consumer, absl::string_view failed, Aftermath* after);
  // Ends the leases of partitions, and isolation, that are due; examines at most `*left` pending
  // ranges.
  void EndDue(int64_t now, size_t* left, Aftermath* after);
  // The ack deadline changed. The caller wakes the consumers, which are notified.
  void ChangeAckDeadline(int64_t now, Aftermath* after);

  // ---- Leases.

  // Events of the partition are about to be leased. Returns when their lease ends; the largest
  // number if it does not end on its own.
  virtual int64_t StartLease(PartitionCursor& cursor, int64_t now) = 0;
  // The owner acked events.
  virtual void NoteAcked(PartitionCursor& cursor, int64_t now, Effects* effects) = 0;
  // Extends the lease of the partition; returns false if each event has its own.
  virtual bool ExtendLease(PartitionCursor& cursor, int64_t due) = 0;
  // The cursor is no longer held: notices about it may be sent.
  virtual void NoteHoldEnded(PartitionCursor& cursor, Aftermath* after) = 0;

 protected:
  explicit Scheduler(const DispatchContext& shared) : shared_(shared), isolation_(shared) {}

  // All leases of the partition ended, since its cursor moved.
  virtual void NoteMoved(PartitionCursor& cursor, Aftermath* after) = 0;
  // Credit for events of the partition was returned.
  virtual void NoteReleased(PartitionCursor& cursor, Aftermath* after) = 0;
  // The consumer is not stalled any more.
  virtual void NoteResponsive(Consumer& consumer, Aftermath* after) = 0;
  // Takes the partition from the consumer. Returns whether events may be leased to it.
  virtual bool Detach(PartitionCursor& cursor, ConsumerId consumer) = 0;
  // These concern leases of partitions, not of events.
  virtual void EndDueLeases(int64_t now, size_t* left, Aftermath* after) = 0;
  // The leases, with a new ack deadline, begin now.
  virtual void RestartLeases(int64_t now, Aftermath* after) = 0;
  // Sets an alarm for the end of the lease.
  virtual void SetLeaseAlarm(const PartitionCursor& cursor, Aftermath* after) = 0;

  const DispatchContext& shared_;

 private:
  void NoteChange(PartitionCursor& cursor, Aftermath* after);

  Isolation isolation_;
};

}  // namespace eventhub
