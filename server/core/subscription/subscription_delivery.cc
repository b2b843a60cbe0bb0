// Delivery from memory: selects a consumer's next events. Events that must be fetched first are in
// subscription_fetch.cc.
#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_slice.h"
#include "server/core/subscription/dispatch/delivery_budget.h"
#include "server/core/subscription/subscription.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// The minimum work that examining a candidate counts as. Bytes.
constexpr size_t kLookCost = size_t{32} << 10;

// The time after which a cursor that only filters events out is written. Microseconds.
constexpr int64_t kKeepPassedAfter = 1'000'000;

// Saturates: `events` may be practically infinite.
Offset After(Offset offset, int64_t events) {
  return events > Offset::Max() - offset ? Offset::Max() : offset + events;
}

// Adds the notices about a partition.
void Say(PartitionId partition, PartitionNews news, v1::ConsumeResponse* response) {
  if (news.revoked.has_value()) *response->add_revoked() = *std::move(news.revoked);
  if (news.assigned.has_value()) *response->add_assigned() = *std::move(news.assigned);
  if (news.draining.has_value()) *response->add_draining() = *std::move(news.draining);
  for (const auto& [start, end] : news.trimmed) {
    v1::TrimmedRange& trimmed = *response->add_trimmed();
    trimmed.set_partition(partition.value());
    trimmed.mutable_range()->set_start(start.value());
    trimmed.mutable_range()->set_end(end.value());
  }
}

}  // namespace

absl::StatusOr<Subscription::Step> Subscription::Poll(Consumer& consumer, ConsumeFrame* frame,
                                                      size_t room) {
  consumer.frame_bytes = std::min(consumer.options.max_frame_bytes, room);
  for (size_t looked_at = 0;;) {
    ASSIGN_OR_RETURN(const std::optional<Step> step,
                     Look(consumer, frame, looked_at <= kMaxPolledBytes));
    if (step.has_value()) return *step;
    looked_at +=
        std::max(DeliverFetched(consumer, frame, kMaxPolledBytes, /*last=*/false), kLookCost);
    if (!frame->empty()) return Step::kFrame;
  }
}

absl::StatusOr<std::optional<Subscription::Step>> Subscription::Look(Consumer& consumer,
                                                                     ConsumeFrame* frame,
                                                                     bool may_look_through) {
  Aftermath after;
  std::optional<Step> step = Step::kWait;
  {
    MutexLock lock(mutex_);
    if (deleted_) return SubscriptionNotFound(name_);
    if (consumer.closed) return {Step::kEnd};
    consumer.waiting = false;  // It is being served, woken or not.
    TakeVisible(&after);
    for (;;) {
      const int64_t seen = topic_->mark().value();  // Read first, so that no later event is missed.
      if (topic_->view()->partitions.size() > cursors_.size()) Rebalance(&after);
      const int64_t now = Now();
      const Want want = FillFrame(consumer, now, frame, &after);
      if (want == Want::kDisk) {
        // Notices are sent with the fetched events: there may be more by then.
        step = Step::kCold;
        if (may_look_through && !consumer.fetch->batches.empty()) step.reset();
        break;
      }
      NoteCaughtUp(consumer, frame);
      if (TakeNotices(consumer, frame) || !frame->deliveries.empty()) {
        step = Step::kFrame;
        // Other consumers may take the remaining events.
        if (rules_.queue && !frame->deliveries.empty()) WakeForEvents(&after);
        break;
      }
      const bool all_back = consumer.out.events == 0 || consumer.leaving_at_once;
      if (consumer.leaving && all_back && consumer.unsettled == 0) {
        step = Step::kEnd;
        break;
      }
      // Other consumers may take the events instead.
      if (want == Want::kNothing && rules_.queue) WakeForEvents(&after);
      if (Arm(consumer, seen, want == Want::kEvents)) break;
    }
  }
  CarryOut(std::move(after));
  return step;
}

bool Subscription::TakeNotices(Consumer& consumer, ConsumeFrame* frame) {
  if (!std::exchange(consumer.has_notices, false)) return false;
  consumer.unsettled -= consumer.notices.settlements_size();
  frame->control.MergeFrom(consumer.notices);
  consumer.notices.Clear();
  for (auto& [partition, news] : consumer.news) Say(partition, std::move(news), &frame->control);
  consumer.news.clear();
  return true;
}

void Subscription::NoteCaughtUp(Consumer& consumer, ConsumeFrame* frame) {
  if (!frame->deliveries.empty()) consumer.caught_up = false;
  if (consumer.caught_up || consumer.leaving || !AtHead(consumer)) return;
  consumer.caught_up = true;
  consumer.may_fall_behind = true;
  consumer.notices.set_caught_up(true);
  consumer.has_notices = true;
}

bool Subscription::AtHead(const Consumer& consumer) const {
  bool any = false;
  for (const auto& cursor : cursors_) {
    if (!rules_.queue && cursor->owner != consumer.id) continue;
    any = true;
    if (cursor->next() < cursor->log().end() || cursor->AnyLiveReady()) return false;
    if (cursor->held_until != 0 || cursor->blocked_by_sweep()) return false;
  }
  return any;
}

bool Subscription::Arm(Consumer& consumer, int64_t seen, bool wants_events) {
  consumer.waiting = true;
  if (!wants_events) return true;
  consumers_.Enqueue(consumer);
  if (registered_ != nullptr) return true;
  registered_ = shared_from_this();
  const bool registered = topic_->mark().NotifyPast(seen, *this);
  // A new partition wakes only waiters registered before it.
  const bool changed = topic_->view()->partitions.size() > cursors_.size();
  if (registered && !(changed && topic_->mark().Cancel(*this))) return true;
  registered_.reset();
  consumer.waiting = false;
  return false;
}

// Called on the commit thread: only wakes consumers.
void Subscription::Wake() {
  Aftermath after;
  std::shared_ptr<Subscription> self;
  {
    MutexLock lock(mutex_);
    self = std::move(registered_);
    WakeForEvents(&after);
  }
  CarryOut(std::move(after));
}

bool Subscription::MayDeliver(const Consumer& consumer) const {
  if (visible_settings().paused() || consumer.leaving || consumer.alone) return false;
  if (!consumer.CreditLeft()) return false;
  return !rules_.queue || !consumer.stalled || consumer.probe_budget > 0;
}

bool Subscription::GivesWay(const Consumer& consumer) const {
  return rules_.queue && consumer.stalled && consumers_.AnyHealthyWithCredit();
}

DeliveryBudget Subscription::BudgetOf(const Consumer& consumer, int64_t now) {
  const bool probed = rules_.queue && consumer.stalled;
  return DeliveryBudget(consumer, probed ? consumer.probe_budget : INT64_MAX, rates_, now);
}

bool Subscription::RateAllows(int64_t now, Aftermath* after) {
  const int64_t allowed = rates_.AvailableAt(now);
  if (allowed <= now) return true;
  SetAlarm(allowed, after);
  return false;
}

Subscription::Want Subscription::FillFrame(Consumer& consumer, int64_t now, ConsumeFrame* frame,
                                           Aftermath* after) {
  if (!MayDeliver(consumer) || consumer.short_of_bytes) return Want::kNothing;
  if (GivesWay(consumer)) return Want::kEvents;
  if (!RateAllows(now, after)) return Want::kEvents;
  const Isolation isolation = IsolationOf(consumer, now, after);
  if (isolation == Isolation::kDrain) return Want::kNothing;
  Fill fill = Fill::kNothing;
  if (isolation == Isolation::kDeliver) fill = DeliverAlone(consumer, now, frame, after);
  if (frame->deliveries.empty() && fill != Fill::kCold) fill = Deliver(consumer, now, frame, after);
  if (!frame->deliveries.empty()) return Want::kEvents;
  if (fill == Fill::kCold) return Want::kDisk;
  // The next event exceeds the consumer's credit: wait for credit.
  return fill == Fill::kFull ? Want::kNothing : Want::kEvents;
}

Subscription::Fill Subscription::Deliver(Consumer& consumer, int64_t now, ConsumeFrame* frame,
                                         Aftermath* after) {
  DeliveryBudget budget = BudgetOf(consumer, now);
  bool full = false;
  auto turn = turns_.begin();
  for (size_t i = 0; i < cursors_.size() && !budget.full(); ++i) {
    PartitionCursor& cursor = *cursors_[*turn++];  // Read before EndTurn moves it.
    if (cursor.draining || !MayRead(cursor, now)) continue;
    if (!rules_.queue && cursor.owner != consumer.id) continue;
    DropTrimmed(cursor, after);
    const size_t before = frame->deliveries.size();
    const Fill fill = DeliverFrom(cursor, consumer, now, budget, frame, after);
    NoteDelivered(cursor, after);
    if (frame->deliveries.size() > before || consumer.fetch.has_value()) EndTurn(cursor);
    if (fill == Fill::kNothing || fill == Fill::kSome) continue;
    if (fill == Fill::kFull && frame->deliveries.empty()) {
      full = true;  // Other partitions may have events that fit.
      continue;
    }
    return fill;  // Events from the disk get a frame of their own.
  }
  if (!frame->deliveries.empty()) return Fill::kSome;
  return full ? Fill::kFull : Fill::kNothing;
}

// Schedules the write of the cursor, and the end of its leases.
void Subscription::NoteDelivered(const PartitionCursor& cursor, Aftermath* after) {
  if (cursor.dirty()) {
    MarkDirty(cursor);
    after->flush = true;
  }
  if (cursor.passed()) SetAlarm(Now() + kKeepPassedAfter, after);
  SetAlarm(cursor.pending().next_due(), after);
  if (!rules_.queue && rules_.ack_deadline > 0 && cursor.pending().counts().leased > 0) {
    SetAlarm(cursor.lease_due, after);
  }
}

// Live events and those of replays take turns.
Subscription::Fill Subscription::DeliverFrom(PartitionCursor& cursor, Consumer& consumer,
                                             int64_t now, DeliveryBudget& budget,
                                             ConsumeFrame* frame, Aftermath* after) {
  const bool both = cursor.pending().counts().extra > 0;
  bool extra = both && cursor.extra_turn;
  if (both) cursor.extra_turn = !cursor.extra_turn;
  Fill fill = Fill::kNothing;
  bool full = false;
  // An event filtered out of one flow may unblock an event of the other.
  for (int turn = 0; turn < (both ? 2 : 1) || budget.TakeFreed(); ++turn, extra = !extra) {
    while (!budget.full()) {
      std::optional<Candidate> candidate = cursor.Next(rules_, extra ? Flow::kExtra : Flow::kLive);
      if (!candidate.has_value() || !Admit(*candidate, now, after)) break;
      fill = DeliverCandidate(cursor, consumer, *candidate, budget, frame);
      if (fill == Fill::kCold || (fill == Fill::kFull && !frame->deliveries.empty())) return fill;
      if (fill == Fill::kFull) break;  // The other flow may have events that fit.
    }
    full |= fill == Fill::kFull;
  }
  return full && frame->deliveries.empty() ? Fill::kFull : fill;
}

// The rate of replays is limited separately.
bool Subscription::Admit(Candidate& candidate, int64_t now, Aftermath* after) {
  if (!candidate.extra) return true;
  const int64_t allowed = rates_.ExtraAvailableAt(now);
  if (allowed > now) {
    SetAlarm(allowed, after);
    return false;
  }
  candidate.end = std::min(candidate.end, After(candidate.start, rates_.ExtraEvents(now)));
  return true;
}

Subscription::Fill Subscription::DeliverCandidate(PartitionCursor& cursor, Consumer& consumer,
                                                  const Candidate& candidate,
                                                  DeliveryBudget& budget, ConsumeFrame* frame) {
  batches_.clear();
  const Offset end = EachIsChosen(candidate)
                         ? candidate.end
                         : std::min(candidate.end, After(candidate.start, budget.events()));
  const bool copy_only =
      candidate.redriven_from.has_value() && candidate.start < cursor.log().start();
  if (copy_only || !cursor.log().tail().Read(candidate.start, end,
                                             static_cast<size_t>(budget.bytes()), &batches_)) {
    AskForFetch(cursor, consumer, candidate, *frame);
    const bool behind = candidate.fresh && consumer.fetch.has_value();
    if (behind && std::exchange(consumer.may_fall_behind, false)) {
      consumer.notices.set_fell_behind(true);
      consumer.has_notices = true;
    }
    return Fill::kCold;
  }
  context_.reads.tail_batches.Add(batches_.size());
  if (EachIsChosen(candidate)) {
    AskForFetch(cursor, consumer, candidate, *frame, std::exchange(batches_, {}));
    return Fill::kCold;
  }
  const Fill fill = DeliverBatches(cursor, consumer, candidate, batches_, nullptr, budget, frame);
  batches_.clear();  // The frames hold the batches that were delivered.
  return fill;
}

Subscription::Fill Subscription::DeliverBatches(PartitionCursor& cursor, Consumer& consumer,
                                                const Candidate& candidate,
                                                const std::vector<RecordBatchPtr>& batches,
                                                const EventChoices* choices, DeliveryBudget& budget,
                                                ConsumeFrame* frame) {
  Offset at = candidate.start;
  for (size_t i = 0; i < batches.size() && at < candidate.end; ++i) {
    const RecordBatchPtr& batch = batches[i];
    while (at < std::min(batch->end(), candidate.end)) {
      if (budget.full()) return Fill::kFull;
      if (Filters(candidate) && !filter()->MayPass(batch->header)) {
        const Offset end = std::min(batch->end(), candidate.end);
        PassOver(cursor, candidate, at, end, budget);
        at = end;
        continue;
      }
      if (choices != nullptr) {
        const Delivery slice = SliceBatch(*batch, cursor.id(), at, candidate.end, SIZE_MAX);
        const auto choice_of = [&](Offset event) -> const EventChoices::Event& {
          return choices->Of(i, *batch, event);
        };
        at = DeliverChosen(cursor, consumer, candidate, slice, choice_of, budget, frame);
        if (at < slice.end()) return Fill::kFull;
        continue;
      }
      // A batch is cut only where the frame would otherwise be small: cutting walks over its
      // events, and each part is leased, sent and settled separately.
      if (frame->bytes >= consumer.frame_bytes / 2 &&
          static_cast<int64_t>(batch->header.bytes) > budget.bytes()) {
        return Fill::kFull;
      }
      const Offset end = std::min(candidate.end, After(at, budget.events()));
      Delivery slice =
          SliceBatch(*batch, cursor.id(), at, end, static_cast<size_t>(budget.bytes()));
      if (slice.count == 0 || !budget.Takes(slice.count, static_cast<int64_t>(slice.bytes)))
        return Fill::kFull;
      at = slice.end();
      DeliverRun(cursor, consumer, candidate, std::move(slice), budget, frame);
    }
  }
  return Fill::kSome;
}

void Subscription::DeliverRun(PartitionCursor& cursor, Consumer& consumer,
                              const Candidate& candidate, Delivery run, DeliveryBudget& budget,
                              ConsumeFrame* frame) {
  const auto mean = static_cast<uint32_t>(run.bytes / run.count);
  const int64_t now = Now();
  int64_t due = INT64_MAX;
  if (rules_.queue) {
    due = now + rules_.ack_deadline;
  } else if (cursor.pending().counts().leased == 0) {
    cursor.lease_due = now + rules_.ack_deadline;
  }
  cursor.Lease(candidate, run.base, run.count, mean, consumer.id, due);
  run.attempt = candidate.attempts + 1;
  run.redelivered = candidate.redelivered;
  run.lease_epoch = cursor.epoch();
  run.replayed = candidate.extra;
  const int64_t events = run.count;
  const auto bytes = static_cast<int64_t>(run.bytes);
  consumer.alone = candidate.alone;
  consumer.out.events += events;
  if (consumer.stalled) consumer.probe_budget -= events;
  consumer.out.bytes += events * mean;
  budget.Take(events, bytes);
  rates_.Take(events, bytes, candidate.extra);
  counters_.delivered_events += run.count;
  counters_.delivered_bytes += run.bytes;
  if (candidate.redelivered) counters_.redelivered_events += run.count;
  topic_->counters().delivered_events.Add(run.count);
  topic_->counters().delivered_bytes.Add(run.bytes);
  frame->bytes += run.bytes;
  frame->deliveries.push_back(std::move(run));
}

// The filter applies to fresh events. Events delivered before have matched already, or are
// redelivered whatever the filter is now. A replay, however, covers all settled events, so the
// filter applies to it.
bool Subscription::Filters(const Candidate& candidate) const {
  if (filter() == nullptr || candidate.redriven_from.has_value()) return false;
  return candidate.fresh || (candidate.extra && !candidate.redelivered);
}

Subscription::Choice Subscription::Choose(PartitionCursor& cursor, const EventChoices::Event& event,
                                          Offset offset) {
  if (!event.passes) return Choice::kPass;
  if (!rules_.ordered_by_key) return Choice::kDeliver;
  const bool admitted =
      event.keyed ? cursor.AdmitKey(offset, event.key_hash) : !cursor.WaitsForRetry(offset);
  return admitted ? Choice::kDeliver : Choice::kBlock;
}

void Subscription::LeaveOut(PartitionCursor& cursor, const Candidate& candidate, Offset event,
                            Choice choice, DeliveryBudget& budget) {
  if (choice == Choice::kBlock) return cursor.Block(candidate, event);
  PassOver(cursor, candidate, event, event + 1, budget);
}

void Subscription::PassOver(PartitionCursor& cursor, const Candidate& candidate, Offset from,
                            Offset to, DeliveryBudget& budget) {
  if (cursor.Pass(candidate, from, to)) budget.NoteFreed();
  counters_.filtered += static_cast<uint64_t>(to - from);
}

Offset Subscription::DeliverChosen(PartitionCursor& cursor, Consumer& consumer,
                                   const Candidate& candidate, const Delivery& slice,
                                   ChoiceOf choice_of, DeliveryBudget& budget,
                                   ConsumeFrame* frame) {
  Offset at = slice.base;
  for (const SharedBytes& chunk : slice.events) {
    EventWalker walker(chunk);
    Delivery run;
    const char* begin = nullptr;  // The start of the run.
    const auto end_run = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (run.count == 0) return;
      run.partition = slice.partition;
      run.append_micros = slice.append_micros;
      run.events.push_back(chunk.Sub(absl::string_view(begin, run.bytes)));
      DeliverRun(cursor, consumer, candidate, std::exchange(run, Delivery()), budget, frame);
    };
    for (SlicedEvent event; walker.Next(&event); at = at + 1) {
      if (!budget.Takes(run.count + 1, static_cast<int64_t>(run.bytes + event.field.size()))) {
        end_run();
        return at;
      }
      const Choice choice = Choose(cursor, choice_of(at), at);
      if (choice != Choice::kDeliver) {
        end_run();
        LeaveOut(cursor, candidate, at, choice, budget);
        continue;
      }
      if (run.count++ == 0) {
        run.base = at;
        begin = event.field.data();
      }
      run.bytes += event.field.size();
    }
    end_run();
  }
  return at;
}

}  // namespace eventhub
