// QUEUE: what is delivered alone. When a consumer goes away without a word, each event that it had
// may be the one that it died of. Before such an event becomes a dead letter, it is given to a
// consumer that has nothing else, so that the others are not taken for it.
#include "absl/algorithm/container.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_room.h"

namespace eventhub {

PartitionCursor* Subscription::FindAlone(int64_t now, Aftermath* after) {
  bool any = false;
  for (const auto& cursor : cursors_) {
    std::optional<Candidate> candidate = cursor->Next(rules_, Flow::kAlone);
    if (!candidate.has_value()) continue;
    any = true;
    if (!cursor->busy && Admit(*candidate, now, after)) return cursor.get();
  }
  any_alone_ = any;
  drained_ = ConsumerId();
  return nullptr;
}

// Who has nothing out takes it. If nobody comes, one consumer is given nothing more until it has
// settled what is out; but not for longer than the ack deadline, for it may be at work for hours.
Subscription::Isolation Subscription::IsolationOf(const Consumer& consumer, int64_t now,
                                                  Aftermath* after) {
  if (!any_alone_ || FindAlone(now, after) == nullptr) return Isolation::kNone;
  if (consumer.out.events == 0) return Isolation::kDeliver;
  const Consumer* const drained = Find(drained_);
  if (drained == nullptr || drained->leaving || drained->stalled || drained->credit.events <= 0 ||
      drained->credit.bytes <= 0) {
    drained_ = consumer.id;
    drain_due_ = now + rules_.ack_deadline;
    SetAlarm(drain_due_, after);
  }
  if (drained_ != consumer.id) return Isolation::kNone;
  if (now < drain_due_) return Isolation::kDrain;
  for (const auto& cursor : cursors_) cursor->LetAloneJoin();
  any_alone_ = false;
  drained_ = ConsumerId();
  return Isolation::kNone;
}

Subscription::Fill Subscription::DeliverAlone(Consumer& consumer, int64_t now, ConsumeFrame* frame,
                                              Aftermath* after) {
  Fill fill = Fill::kNothing;
  while (PartitionCursor* const cursor = FindAlone(now, after)) {
    const Candidate candidate = *cursor->Next(rules_, Flow::kAlone);
    Room room = RoomFor(consumer, now);
    fill = DeliverCandidate(*cursor, consumer, candidate, room, frame);
    NoteDelivered(*cursor, after);
    // Not, if it waits for another one of its key.
    if (fill != Fill::kSome || !frame->deliveries.empty()) break;
  }
  if (Consumer* const drained = Find(drained_)) WakeConsumer(*drained, after);
  return fill;
}

}  // namespace eventhub
