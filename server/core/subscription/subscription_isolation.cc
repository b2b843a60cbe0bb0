// Isolated deliveries. When a consumer disconnects without settling its events, any of them may
// have crashed it. Before such an event becomes a dead letter, it is delivered to a consumer that
// has nothing else in flight, so that other events are not blamed for it.
//
// While such events exist, a consumer with events in flight gets nothing new: the first consumer
// that has settled everything takes one of them. This lasts at most the ack deadline, since
// consumers may work for hours: then the events are delivered together with others.
#include "absl/algorithm/container.h"
#include "server/core/subscription/dispatch/delivery_budget.h"
#include "server/core/subscription/subscription.h"

namespace eventhub {
namespace {

// The time for which events are kept isolated if there is no ack deadline. Microseconds.
constexpr int64_t kKeptApart = 30'000'000;

}  // namespace

void Subscription::NoteAlone(const PartitionCursor& cursor, Aftermath* after) {
  const bool kept_apart = join_due_ != INT64_MAX;
  if (!kept_apart && cursor.WaitingAlone() == 0) return;
  const bool any =
      absl::c_any_of(cursors_, [](const auto& other) { return other->WaitingAlone() > 0; });
  if (any == kept_apart) return;
  const int64_t time = rules_.ack_deadline > 0 ? rules_.ack_deadline : kKeptApart;
  join_due_ = any ? Now() + time : INT64_MAX;
  if (any) {
    SetAlarm(join_due_, after);
  } else {
    consumers_.WakeAll(&after->wake);
  }
}

void Subscription::EndIsolation(size_t* left, Aftermath* after) {
  for (const auto& cursor : cursors_) {
    if (cursor->WaitingAlone() == 0) continue;
    cursor->EndIsolation(rules_, left);
    if (cursor->sweeping()) SetAlarm(Now(), after);
  }
  join_due_ = INT64_MAX;
  consumers_.WakeAll(&after->wake);
}

PartitionCursor* Subscription::FindAlone(const Consumer& consumer, int64_t now, Aftermath* after) {
  for (const size_t p : turns_) {
    PartitionCursor* const cursor = cursors_[p].get();
    if (!MayRead(*cursor, now) || cursor->pending().counts().alone == 0) continue;
    if (!rules_.queue && (cursor->owner != consumer.id || cursor->draining)) continue;
    DropTrimmed(*cursor, after);
    std::optional<Candidate> candidate = cursor->Next(rules_, Flow::kAlone);
    if (candidate.has_value() && Admit(*candidate, now, after)) return cursor;
  }
  return nullptr;
}

Subscription::Isolation Subscription::IsolationOf(const Consumer& consumer, int64_t now,
                                                  Aftermath* after) {
  if (join_due_ == INT64_MAX || FindAlone(consumer, now, after) == nullptr) return Isolation::kNone;
  return consumer.out.events == 0 ? Isolation::kDeliver : Isolation::kDrain;
}

Subscription::Fill Subscription::DeliverAlone(Consumer& consumer, int64_t now, ConsumeFrame* frame,
                                              Aftermath* after) {
  Fill fill = Fill::kNothing;
  while (PartitionCursor* const cursor = FindAlone(consumer, now, after)) {
    const Candidate candidate = *cursor->Next(rules_, Flow::kAlone);
    DeliveryBudget budget = BudgetOf(consumer, now);
    fill = DeliverCandidate(*cursor, consumer, candidate, budget, frame);
    if (fill != Fill::kFull) EndTurn(*cursor);
    NoteDelivered(*cursor, after);
    NoteAlone(*cursor, after);
    // Unless the event waits for another event of its key.
    if (fill != Fill::kSome || !frame->deliveries.empty()) break;
  }
  return fill;
}

}  // namespace eventhub
