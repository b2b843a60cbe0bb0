// Delivery of what is on the disk: Poll asks for it, ReadCold reads it, where blocking is allowed.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/event/event_slice.h"
#include "server/core/subscription/dead_letter.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_room.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// How long a partition rests that could not be read. Microseconds.
constexpr int64_t kReadAgainAfter = 5'000'000;

// What is looked through by one job of the disk pool. Bytes.
constexpr size_t kMaxColdWork = size_t{1} << 20;

// What the log has of a candidate; if retention took it, the copy that a dead letter is.
absl::Status ReadForDelivery(const SubscriptionContext& context, PartitionLog& log,
                             const Candidate& candidate, size_t max_bytes,
                             const EventFilter* filter, std::vector<RecordBatchPtr>* batches) {
  const auto wanted = [filter](const BatchHeader& batch) {
    return filter == nullptr || filter->MayPass(batch);
  };
  const absl::Status status =
      ReadBatches(context.store, log, candidate.start, candidate.end, max_bytes, batches, wanted);
  if (!absl::IsNotFound(status) || !candidate.redriven_from.has_value()) return status;
  ASSIGN_OR_RETURN(const LoggedEvent letter,
                   ReadPlace(context.topics, context.store, *candidate.redriven_from));
  ASSIGN_OR_RETURN(RecordBatchPtr batch, BatchOfDeadLetter(letter, candidate.start));
  batches->push_back(std::move(batch));
  return absl::OkStatus();
}

}  // namespace

void Subscription::AskForCold(PartitionCursor& cursor, Consumer& consumer,
                              const Candidate& candidate, const ConsumeFrame& frame,
                              std::vector<RecordBatchPtr> batches) {
  if (!frame.deliveries.empty()) return;
  ColdRead& cold = consumer.cold.emplace();
  cold.partition = cursor.id().value();
  cold.candidate = candidate;
  cold.filter = Filters(candidate) ? filter() : nullptr;
  cold.each_is_chosen = EachIsChosen(candidate);
  cold.by_key = rules_.ordered_by_key;
  cold.batches = std::move(batches);
  cursor.busy = true;
}

// One partition that cannot be read does not hold the others up.
void Subscription::NoteRead(PartitionCursor& cursor, const Candidate& candidate,
                            const absl::Status& status, Aftermath* after) {
  cursor.read_failure.reset();
  if (status.ok()) return;
  const PartitionLog& log = cursor.log();
  const bool trimmed = absl::IsNotFound(status) && candidate.start < log.trimmed_to();
  if (trimmed && candidate.start < log.start()) return;  // The next Poll says so.
  if (trimmed || topic_->closing()) {
    // Nobody is to know of the deletion before it is visible: until then there is nothing to read.
    const VisibleCommits& commits = context_.store.visible_commits();
    cursor.read_after = commits.written();
    read_after_ = std::max(read_after_, cursor.read_after);
    after->await_visible |= cursor.read_after > commits.last();
    return;
  }
  cursor.read_failure = std::make_shared<const std::string>(
      absl::StrCat("cannot be read at offset ", candidate.start.value(), ": ", status.message()));
  cursor.read_again_at = Now() + kReadAgainAfter;
  SetAlarm(cursor.read_again_at, after);
}

bool Subscription::MayRead(const PartitionCursor& cursor, int64_t now) const {
  if (cursor.busy || cursor.held_until != 0 || cursor.blocked_by_sweep()) return false;
  if (cursor.read_after > context_.store.visible_commits().last()) return false;
  return cursor.read_failure == nullptr || now >= cursor.read_again_at;
}

void Subscription::ReadCold(Consumer& consumer, ConsumeFrame* frame, size_t room) {
  consumer.frame_bytes = std::min(consumer.options.max_frame_bytes, room);
  DeliverRead(consumer, frame, kMaxColdWork, /*last=*/true);
}

size_t Subscription::DeliverRead(Consumer& consumer, ConsumeFrame* frame, size_t max_work,
                                 bool last) {
  ColdRead cold = std::move(*consumer.cold);
  const bool in_memory = !cold.batches.empty();
  std::vector<RecordBatchPtr>& batches = cold.batches;
  absl::Status status;
  if (!in_memory) {
    PartitionLog& log = *topic_->view()->partitions[cold.partition];
    status = ReadForDelivery(context_, log, cold.candidate, consumer.frame_bytes, cold.filter.get(),
                             &batches);
  }
  std::optional<EventChoices> choices;
  if (status.ok() && cold.each_is_chosen) {
    choices.emplace(batches, cold.candidate.start, cold.candidate.end, cold.filter.get(),
                    cold.by_key, max_work);
  }
  Aftermath after;
  {
    MutexLock lock(mutex_);
    consumer.cold.reset();
    PartitionCursor& cursor = *cursors_[cold.partition];
    cursor.busy = false;
    if (!in_memory) NoteRead(cursor, cold.candidate, status, &after);
    if (rules_.queue || !in_memory) WakeForEvents(&after);
    if (status.ok()) {
      if (!in_memory) {
        context_.reads.cold_batches.Add(batches.size());
      }
      // Meanwhile the subscription may have moved, or the consumer may have lost the partition.
      std::optional<Candidate> now_next = cursor.Next(rules_, cold.candidate.flow());
      const bool still = now_next.has_value() && now_next->start == cold.candidate.start &&
                         now_next->fresh == cold.candidate.fresh && !cursor.draining &&
                         cursor.held_until == 0 && !cursor.blocked_by_sweep() &&
                         (rules_.queue || cursor.owner == consumer.id);
      // Nor is a filter asked that was replaced.
      const bool same_filter = still && cold.filter == (Filters(*now_next) ? filter() : nullptr) &&
                               cold.each_is_chosen == EachIsChosen(*now_next);
      const int64_t now = Now();
      if (same_filter && !deleted_ && !consumer.closed && MayDeliver(consumer) &&
          RateAllows(now, &after) && Admit(*now_next, now, &after)) {
        if (choices.has_value()) now_next->end = std::min(now_next->end, choices->end());
        Room room = RoomFor(consumer, now);
        const Fill fill = DeliverBatches(cursor, consumer, *now_next, batches,
                                         choices.has_value() ? &*choices : nullptr, room, frame);
        // To be read again when it has some credit back, not before; but first there may be
        // something in memory, of another partition, that fits.
        consumer.short_of_bytes =
            last && fill == Fill::kFull && frame->deliveries.empty() && consumer.out.events > 0;
        if (!frame->deliveries.empty()) consumer.caught_up = false;
        NoteDelivered(cursor, &after);
        NoteAlone(cursor, &after);
      }
    }
    if (absl::IsNotFound(status) && cold.candidate.redriven_from.has_value()) {
      Effects effects;
      cursor.DropRedriven(cold.candidate.start, &effects);
      Conclude(cursor, effects, &after);
    }
    if (in_memory) NoteCaughtUp(consumer, frame);
    TakeNotices(consumer, frame);
  }
  CarryOut(std::move(after));
  return choices.has_value() ? choices->work() : 0;
}

}  // namespace eventhub
