// Delivery of events that must be fetched first: Poll requests them, ReadCold fetches them where
// blocking is allowed.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/event/event_slice.h"
#include "server/core/subscription/dead_letter/dead_letter.h"
#include "server/core/subscription/dispatch/delivery_budget.h"
#include "server/core/subscription/subscription.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// The time for which a partition is not read after a failed read. Microseconds.
constexpr int64_t kReadAgainAfter = 5'000'000;

// The bytes that one job of the disk pool filters.
constexpr size_t kMaxColdWork = size_t{1} << 20;

}  // namespace

void Subscription::AskForFetch(PartitionCursor& cursor, Consumer& consumer,
                               const Candidate& candidate, const ConsumeFrame& frame,
                               std::vector<RecordBatchPtr> batches) {
  if (!frame.deliveries.empty()) return;
  EventFetch& fetch = consumer.fetch.emplace();
  fetch.partition = cursor.id().value();
  fetch.candidate = candidate;
  fetch.filter = Filters(candidate) ? filter() : nullptr;
  fetch.each_is_chosen = EachIsChosen(candidate);
  fetch.by_key = rules_.ordered_by_key;
  fetch.batches = std::move(batches);
  cursor.busy = true;
}

// A partition that cannot be read does not delay the others.
void Subscription::NoteRead(PartitionCursor& cursor, const Candidate& candidate,
                            const absl::Status& status, Aftermath* after) {
  cursor.read_failure.reset();
  if (status.ok()) return;
  const PartitionLog& log = cursor.log();
  const bool trimmed = absl::IsNotFound(status) && candidate.start < log.trimmed_to();
  if (trimmed && candidate.start < log.start()) return;  // The next Poll reports it.
  if (trimmed || topic_->closing()) {
    // The deletion must not be reported before it is visible: until then there is nothing to read.
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
  DeliverFetched(consumer, frame, kMaxColdWork, /*last=*/true);
}

size_t Subscription::DeliverFetched(Consumer& consumer, ConsumeFrame* frame, size_t max_work,
                                    bool last) {
  EventFetch fetch = *std::move(consumer.fetch);
  const bool from_disk = !fetch.in_memory();
  const FetchedEvents fetched = source_.Fetch(fetch, consumer.frame_bytes, max_work);
  Aftermath after;
  {
    MutexLock lock(mutex_);
    consumer.fetch.reset();
    PartitionCursor& cursor = *cursors_[fetch.partition];
    cursor.busy = false;
    if (from_disk) NoteRead(cursor, fetch.candidate, fetched.status, &after);
    if (rules_.queue || from_disk) WakeForEvents(&after);
    if (fetched.status.ok()) {
      if (from_disk) {
        context_.reads.cold_batches.Add(fetched.batches.size());
      }
      DeliverIfNext(cursor, consumer, fetch, fetched, last, frame, &after);
    } else if (absl::IsNotFound(fetched.status) && fetch.candidate.redriven_from.has_value()) {
      Effects effects;
      cursor.DropRedriven(fetch.candidate.start, &effects);
      Conclude(cursor, effects, &after);
    }
    if (!from_disk) NoteCaughtUp(consumer, frame);
    TakeNotices(consumer, frame);
  }
  CarryOut(std::move(after));
  return fetched.work();
}

bool Subscription::IsNext(const PartitionCursor& cursor, const Consumer& consumer,
                          const EventFetch& fetch, const std::optional<Candidate>& next) const {
  // The subscription may have moved, or the consumer may have lost the partition.
  const bool still = next.has_value() && next->start == fetch.candidate.start &&
                     next->fresh == fetch.candidate.fresh && !cursor.draining &&
                     cursor.held_until == 0 && !cursor.blocked_by_sweep() &&
                     (rules_.queue || cursor.owner == consumer.id);
  // A filter that was replaced no longer counts.
  return still && fetch.filter == (Filters(*next) ? filter() : nullptr) &&
         fetch.each_is_chosen == EachIsChosen(*next);
}

void Subscription::DeliverIfNext(PartitionCursor& cursor, Consumer& consumer,
                                 const EventFetch& fetch, const FetchedEvents& fetched, bool last,
                                 ConsumeFrame* frame, Aftermath* after) {
  std::optional<Candidate> next = cursor.Next(rules_, fetch.candidate.flow());
  if (!IsNext(cursor, consumer, fetch, next)) return;
  const int64_t now = Now();
  if (deleted_ || consumer.closed || !MayDeliver(consumer)) return;
  if (!RateAllows(now, after) || !Admit(*next, now, after)) return;
  const EventChoices* const choices = fetched.choices.has_value() ? &*fetched.choices : nullptr;
  if (choices != nullptr) next->end = std::min(next->end, choices->end());
  DeliveryBudget budget = BudgetOf(consumer, now);
  const Fill fill =
      DeliverBatches(cursor, consumer, *next, fetched.batches, choices, budget, frame);
  // Read again only when the consumer has some credit back. Until then, events in memory, of other
  // partitions, may fit.
  consumer.short_of_bytes =
      last && fill == Fill::kFull && frame->deliveries.empty() && consumer.out.events > 0;
  if (!frame->deliveries.empty()) consumer.caught_up = false;
  NoteDelivered(cursor, after);
  NoteAlone(cursor, after);
}

}  // namespace eventhub
