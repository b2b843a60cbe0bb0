#include "server/core/subscription/dispatch/frame_filler.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/subscription/dispatch/history_reads.h"

namespace eventhub {
namespace {

// The time for which a partition is not read after a failed read. Microseconds.
constexpr int64_t kReadAgainAfter = 5'000'000;

// How long events of the history are kept if nobody takes them. Microseconds.
constexpr int64_t kKeepHistory = 1'000'000;

}  // namespace

void FrameFiller::Follow(const SubscriptionRecord& record, int64_t now) {
  paused_ = record.record.settings().paused();
  delivery_.Follow(record, now);
}

void FrameFiller::Stop(Aftermath* after) {
  stopped_ = true;
  if (history_ != nullptr) EndHistory(after);
}

// ---- What may be delivered

bool FrameFiller::MayDeliver(const Consumer& consumer) const {
  if (stopped_ || paused_ || consumer.leaving || consumer.alone) return false;
  if (consumer.adds_on && !consumer.news.empty()) return false;
  return consumer.CreditLeft() && scheduler_.AllowanceOf(consumer) > 0;
}

bool FrameFiller::RateAllows(int64_t now, Aftermath* after) {
  const int64_t allowed = delivery_.rates().AvailableAt(now);
  if (allowed <= now) return true;
  after->SetAlarm(allowed);
  return false;
}

bool FrameFiller::Admit(const PartitionCursor& cursor, Candidate& candidate, int64_t now,
                        Aftermath* after) {
  if (!candidate.extra) return true;
  const Reads& reads = ReadsOf(cursor);
  if (reads.history_failure != nullptr && now < reads.history_again_at &&
      IsHistory(cursor, candidate)) {
    after->SetAlarm(reads.history_again_at);
    return false;
  }
  const int64_t allowed = delivery_.rates().ExtraAvailableAt(now);
  if (allowed > now) {
    after->SetAlarm(allowed);
    return false;
  }
  const int64_t events = delivery_.rates().ExtraEvents(now);
  candidate.end = std::min(candidate.end, After(candidate.start, events));
  return true;
}

DeliveryBudget FrameFiller::BudgetOf(const Consumer& consumer, const ConsumeFrame& frame,
                                     int64_t now) {
  return DeliveryBudget(consumer, frame, scheduler_.AllowanceOf(consumer), delivery_.rates(), now);
}

FrameFiller::Reads& FrameFiller::ReadsOf(const PartitionCursor& cursor) {
  const size_t partition = cursor.id().value();
  if (partition >= reads_of_.size()) reads_of_.resize(shared_.cursors.size());
  return reads_of_[partition];
}

bool FrameFiller::MayRead(const PartitionCursor& cursor, int64_t now) {
  if (cursor.held() || cursor.blocked_by_sweep()) return false;
  const Reads& reads = ReadsOf(cursor);
  if (reads.busy || reads.after_commit > commits_.last()) return false;
  return reads.failure == nullptr || now >= reads.again_at;
}

// ---- Delivery from memory

FrameFiller::Want FrameFiller::Fill(Consumer& consumer, int64_t now, ConsumeFrame* frame,
                                    Aftermath* after) {
  const Want want = FillFrame(consumer, now, frame, after);
  if (history_ != nullptr && history_->used) EndHistory(after);
  return want;
}

FrameFiller::Want FrameFiller::FillFrame(Consumer& consumer, int64_t now, ConsumeFrame* frame,
                                         Aftermath* after) {
  if (!MayDeliver(consumer) || consumer.short_of_bytes) return Want::kNothing;
  if (scheduler_.GivesWay(consumer)) return Want::kEvents;
  if (!RateAllows(now, after)) return Want::kEvents;
  turns_.Grow(shared_.cursors.size());
  const bool begun = !frame->deliveries.empty();
  const Isolated isolated = IsolatedFor(consumer, now, after);
  if (isolated == Isolated::kDrain || (isolated == Isolated::kDeliver && begun)) {
    return Want::kNothing;
  }
  Outcome outcome = Outcome::kNothing;
  if (isolated == Isolated::kDeliver) outcome = DeliverIsolated(consumer, now, frame, after);
  // Other events would have to be settled before the isolated one is delivered.
  if (outcome == Outcome::kHistory) return Want::kEvents;
  if ((begun || frame->deliveries.empty()) && outcome != Outcome::kFetch) {
    outcome = Deliver(consumer, now, frame, after);
  }
  if (consumer.fetch.has_value()) return Want::kFetch;
  if (!frame->deliveries.empty()) return Want::kEvents;
  // The next event exceeds the consumer's credit: wait for credit.
  return outcome == Outcome::kFull ? Want::kNothing : Want::kEvents;
}

FrameFiller::Isolated FrameFiller::IsolatedFor(const Consumer& consumer, int64_t now,
                                               Aftermath* after) {
  if (!scheduler_.isolation().active()) return Isolated::kNone;
  if (FindIsolated(consumer, now, after) == nullptr) return Isolated::kNone;
  return consumer.out.events == 0 ? Isolated::kDeliver : Isolated::kDrain;
}

PartitionCursor* FrameFiller::FindIsolated(const Consumer& consumer, int64_t now,
                                           Aftermath* after) {
  for (const size_t p : turns_) {
    PartitionCursor& cursor = *shared_.cursors[p];
    if (!MayRead(cursor, now) || cursor.pending().counts().alone == 0) continue;
    if (!scheduler_.MayDeliver(cursor, consumer)) continue;
    if (!scheduler_.DropTrimmed(cursor, after)) continue;
    std::optional<Candidate> candidate = cursor.Next(shared_.rules, Flow::kIsolated);
    if (candidate.has_value() && Admit(cursor, *candidate, now, after)) return &cursor;
  }
  return nullptr;
}

FrameFiller::Outcome FrameFiller::DeliverIsolated(Consumer& consumer, int64_t now,
                                                  ConsumeFrame* frame, Aftermath* after) {
  Outcome outcome = Outcome::kNothing;
  while (PartitionCursor* const cursor = FindIsolated(consumer, now, after)) {
    const Candidate candidate = *cursor->Next(shared_.rules, Flow::kIsolated);
    DeliveryBudget budget = BudgetOf(consumer, *frame, now);
    BatchSlicer slicer;
    outcome = DeliverCandidate({*cursor, candidate, consumer, budget, slicer, frame, now}, after);
    if (outcome != Outcome::kFull) turns_.EndTurn(cursor->id().value());
    scheduler_.NoteDelivered(*cursor, now, after);
    scheduler_.isolation().Note(*cursor, after);
    // Unless the event waits for another event of its key.
    if (outcome != Outcome::kSome || !frame->deliveries.empty()) break;
  }
  return outcome;
}

FrameFiller::Outcome FrameFiller::Deliver(Consumer& consumer, int64_t now, ConsumeFrame* frame,
                                          Aftermath* after) {
  DeliveryBudget budget = BudgetOf(consumer, *frame, now);
  bool full = false;
  auto turn = turns_.begin();
  for (size_t i = 0; i < shared_.cursors.size() && !budget.full(); ++i) {
    const size_t partition = *turn++;  // Read before EndTurn moves it.
    PartitionCursor& cursor = *shared_.cursors[partition];
    if (!MayRead(cursor, now) || !scheduler_.MayDeliver(cursor, consumer)) continue;
    if (!scheduler_.DropTrimmed(cursor, after)) continue;
    const size_t before = frame->bytes;
    const Outcome outcome = DeliverFrom(cursor, consumer, now, budget, frame, after);
    scheduler_.NoteDelivered(cursor, now, after);
    if (frame->bytes > before || consumer.fetch.has_value()) turns_.EndTurn(partition);
    if (outcome == Outcome::kNothing || outcome == Outcome::kSome) continue;
    if (outcome == Outcome::kFull && frame->deliveries.empty()) {
      full = true;  // Other partitions may have events that fit.
      continue;
    }
    return outcome;
  }
  if (!frame->deliveries.empty()) return Outcome::kSome;
  return full ? Outcome::kFull : Outcome::kNothing;
}

// Live events and those of replays take turns.
FrameFiller::Outcome FrameFiller::DeliverFrom(PartitionCursor& cursor, Consumer& consumer,
                                              int64_t now, DeliveryBudget& budget,
                                              ConsumeFrame* frame, Aftermath* after) {
  const bool both = cursor.pending().counts().extra > 0;
  bool extra = both && ReadsOf(cursor).extra_turn;
  if (both) ReadsOf(cursor).extra_turn = !extra;
  Outcome outcome = Outcome::kNothing;
  bool full = false;
  BatchSlicer slicer;
  // An event filtered out of one flow may unblock an event of the other.
  for (int turn = 0; turn < (both ? 2 : 1) || budget.TakeFreed(); ++turn, extra = !extra) {
    while (!budget.full()) {
      std::optional<Candidate> candidate =
          cursor.Next(shared_.rules, extra ? Flow::kExtra : Flow::kLive);
      if (!candidate.has_value() || !Admit(cursor, *candidate, now, after)) break;
      outcome = DeliverCandidate({cursor, *candidate, consumer, budget, slicer, frame, now}, after);
      if (outcome == Outcome::kFetch) return outcome;
      if (outcome == Outcome::kHistory) {
        outcome = Outcome::kNothing;
        break;
      }
      if (outcome == Outcome::kFull && !frame->deliveries.empty()) return outcome;
      if (outcome == Outcome::kFull) break;  // The other flow may have events that fit.
    }
    full |= outcome == Outcome::kFull;
  }
  return full && frame->deliveries.empty() ? Outcome::kFull : outcome;
}

FrameFiller::Outcome FrameFiller::DeliverCandidate(const DeliveryJob& job, Aftermath* after) {
  const Candidate& candidate = job.candidate;
  if (IsHistory(job.cursor, candidate)) return DeliverHistory(job, after);
  Consumer& consumer = job.consumer;
  PartitionLog& log = job.cursor.log();
  batches_.clear();
  const bool matches_each = delivery_.MatchesEach(candidate);
  const Offset end = matches_each
                         ? candidate.end
                         : std::min(candidate.end, After(candidate.start, job.budget.events()));
  const bool copy_only = candidate.redriven_from.has_value() && candidate.start < log.start();
  if (copy_only ||
      !log.tail().Read(candidate.start, end, static_cast<size_t>(job.budget.bytes()), &batches_)) {
    RequestFetch(job);
    const bool behind = candidate.fresh && consumer.fetch.has_value();
    if (behind && std::exchange(consumer.may_fall_behind, false)) {
      consumer.notices.set_fell_behind(true);
      consumer.has_notices = true;
    }
    return Outcome::kFetch;
  }
  reads_.tail_batches.Add(batches_.size());
  if (matches_each) {
    RequestFetch(job, std::exchange(batches_, {}));
    return Outcome::kFetch;
  }
  const bool all = delivery_.Deliver(job, batches_, nullptr);
  batches_.clear();  // The frames hold the batches that were delivered.
  return all ? Outcome::kSome : Outcome::kFull;
}

// ---- Delivery from the history

FrameFiller::Outcome FrameFiller::DeliverHistory(const DeliveryJob& job, Aftermath* after) {
  if (history_ != nullptr && history_->fetch.partition == job.cursor.id().value()) {
    history_->used = true;  // Or of no use any more.
    Candidate candidate = job.candidate;
    const FetchedEvents& events = history_->events;
    // A filter that was replaced no longer counts.
    if (history_->fetch.filter == delivery_.FilterOf(candidate) &&
        history_->fetch.each_is_chosen == delivery_.MatchesEach(candidate)) {
      candidate.end = events.EndFrom(candidate.start, candidate.end);
    } else {
      candidate.end = candidate.start;
    }
    if (candidate.end > candidate.start) {
      const bool all = delivery_.Deliver(
          {job.cursor, candidate, job.consumer, job.budget, job.slicer, job.frame, job.now},
          events.batches, events.choices.has_value() ? &*events.choices : nullptr);
      return all ? Outcome::kSome : Outcome::kFull;
    }
  }
  RequestHistory(job, after);
  return Outcome::kHistory;
}

void FrameFiller::RequestHistory(const DeliveryJob& job, Aftermath* after) {
  if (reads_history_ || (history_ != nullptr && !history_->used)) {
    others_want_history_ = true;
    return;
  }
  EventFetch& fetch = after->history.emplace(FetchOf(job));
  const Offset log_start = job.cursor.log().start();
  const auto other = std::find_if(
      fetch.following.begin(), fetch.following.end(), [log_start](const Candidate& next) {
        return next.start >= log_start || next.redriven_from.has_value();
      });
  fetch.following.erase(other, fetch.following.end());
  const auto room = static_cast<size_t>(std::max<int64_t>(1, job.consumer.credit.bytes));
  fetch.max_bytes = std::min({HistoryReads::kPartBytes, job.consumer.frame_bytes, room});
  reads_history_ = true;
}

void FrameFiller::TakeHistory(std::unique_ptr<HistoryAhead> ahead, Aftermath* after) {
  reads_history_ = false;
  others_want_history_ = false;
  scheduler_.WakeForEvents(after);
  const int64_t now = shared_.Now();
  Reads& reads = ReadsOf(*shared_.cursors[ahead->fetch.partition]);
  const absl::Status& status = ahead->events.status;
  if (status.ok()) {
    reads.history_failure.reset();
  } else {
    reads.history_failure = std::make_unique<const std::string>(
        absl::StrCat("cannot be replayed at offset ", ahead->fetch.candidate.start.value(), ": ",
                     status.message()));
    reads.history_again_at = now + kReadAgainAfter;
    after->SetAlarm(reads.history_again_at);
  }
  reads_.history_batches.Add(ahead->events.reads);
  if (!status.ok() || stopped_) {
    after->history_used = std::move(ahead);
    return;
  }
  ahead->expires = now + kKeepHistory;
  after->SetAlarm(ahead->expires);
  std::swap(history_, ahead);
  after->history_used = std::move(ahead);
}

void FrameFiller::DropHistory(int64_t now, Aftermath* after) {
  if (history_ != nullptr && now >= history_->expires) EndHistory(after);
}

void FrameFiller::EndHistory(Aftermath* after) {
  after->history_used = std::move(history_);
  if (std::exchange(others_want_history_, false)) scheduler_.WakeForEvents(after);
}

// ---- Delivery of fetched events

EventFetch FrameFiller::FetchOf(const DeliveryJob& job) const {
  EventFetch fetch;
  fetch.partition = job.cursor.id().value();
  fetch.candidate = job.candidate;
  fetch.filter = delivery_.FilterOf(job.candidate);
  fetch.each_is_chosen = delivery_.MatchesEach(job.candidate);
  fetch.by_key = shared_.rules.ordered_by_key;
  const int64_t events = job.budget.events() - (job.candidate.end - job.candidate.start);
  if (events <= 0) return fetch;
  const size_t limit = std::min(kMaxCandidates, static_cast<size_t>(events));
  fetch.following = job.cursor.Following(shared_.rules, job.candidate, limit);
  const auto other = std::find_if(
      fetch.following.begin(), fetch.following.end(),
      [&](const Candidate& next) { return !delivery_.MatchesAlike(next, job.candidate); });
  fetch.following.erase(other, fetch.following.end());
  return fetch;
}

void FrameFiller::RequestFetch(const DeliveryJob& job, std::vector<RecordBatchPtr> batches) {
  // The frame is sent first.
  if (!job.frame->deliveries.empty() && !job.consumer.adds_on) return;
  EventFetch& fetch = job.consumer.fetch.emplace(FetchOf(job));
  fetch.batches = std::move(batches);
  if (fetch.in_memory()) ReadTail(job.cursor.log(), job.budget.bytes(), &fetch);
  ReadsOf(job.cursor).busy = true;
}

void FrameFiller::ReadTail(PartitionLog& log, int64_t max_bytes, EventFetch* fetch) {
  std::vector<RecordBatchPtr>& batches = fetch->batches;
  for (const RecordBatchPtr& batch : batches) max_bytes -= batch->header.bytes;
  auto next = fetch->following.begin();
  for (; next != fetch->following.end() && max_bytes > 0; ++next) {
    const Offset from = std::max(next->start, batches.back()->end());
    if (from >= next->end) continue;
    const size_t before = batches.size();
    if (!log.tail().Read(from, next->end, static_cast<size_t>(max_bytes), &batches)) break;
    for (size_t i = before; i < batches.size(); ++i) max_bytes -= batches[i]->header.bytes;
  }
  fetch->following.erase(next, fetch->following.end());
}

void FrameFiller::AbandonFetch(Consumer& consumer) {
  if (consumer.fetch.has_value()) reads_of_[consumer.fetch->partition].busy = false;
}

bool FrameFiller::TakeFetched(Consumer& consumer, const EventFetch& fetch,
                              const FetchedEvents& fetched, bool last, ConsumeFrame* frame,
                              Aftermath* after) {
  consumer.fetch.reset();
  PartitionCursor& cursor = *shared_.cursors[fetch.partition];
  ReadsOf(cursor).busy = false;
  if (fetched.from_disk) {
    NoteRead(cursor, fetch.candidate, fetched.status, after);
    scheduler_.WakeForEvents(after);
  } else {
    scheduler_.PassOn(after);
  }
  bool all = true;
  if (fetched.status.ok()) {
    if (!fetched.gone.empty()) {
      Effects effects;
      for (const Offset event : fetched.gone) cursor.DropRedriven(event, &effects);
      scheduler_.Conclude(cursor, effects, after);
    }
    all = DeliverFetched(cursor, consumer, fetch, fetched, frame, after);
    // Read again only when the consumer has some credit back. Until then, events in memory, of
    // other partitions, may fit.
    consumer.short_of_bytes = last && !all && frame->deliveries.empty() && consumer.out.events > 0;
    if (!frame->deliveries.empty()) consumer.caught_up = false;
  }
  if (fetched.from_disk) {
    reads_.cold_batches.Add(fetched.reads);
  } else {
    NoteCaughtUp(consumer, *frame);
  }
  return all;
}

std::optional<Candidate> FrameFiller::NextFetched(const PartitionCursor& cursor,
                                                  const Consumer& consumer, const EventFetch& fetch,
                                                  const FetchedEvents& fetched) const {
  if (consumer.closed || !MayDeliver(consumer)) return std::nullopt;
  // The subscription may have moved, or the consumer may have lost the partition.
  if (cursor.held() || cursor.blocked_by_sweep() || !scheduler_.MayDeliver(cursor, consumer)) {
    return std::nullopt;
  }
  std::optional<Candidate> next = cursor.Next(shared_.rules, fetch.candidate.flow());
  if (!next.has_value()) return next;
  // A filter that was replaced no longer counts.
  if (fetch.filter != delivery_.FilterOf(*next) ||
      fetch.each_is_chosen != delivery_.MatchesEach(*next)) {
    return std::nullopt;
  }
  next->end = fetched.EndFrom(next->start, next->end);
  return next->end > next->start ? next : std::nullopt;
}

bool FrameFiller::DeliverFetched(PartitionCursor& cursor, Consumer& consumer,
                                 const EventFetch& fetch, const FetchedEvents& fetched,
                                 ConsumeFrame* frame, Aftermath* after) {
  const int64_t now = shared_.Now();
  if (!RateAllows(now, after)) return true;
  DeliveryBudget budget = BudgetOf(consumer, *frame, now);
  const EventChoices* const choices = fetched.choices.has_value() ? &*fetched.choices : nullptr;
  BatchSlicer slicer;
  bool all = true;
  for (size_t i = 0; i <= kMaxCandidates && all; ++i) {
    std::optional<Candidate> next = NextFetched(cursor, consumer, fetch, fetched);
    if (!next.has_value() || !Admit(cursor, *next, now, after)) break;
    all = delivery_.Deliver({cursor, *next, consumer, budget, slicer, frame, now}, fetched.batches,
                            choices);
  }
  scheduler_.NoteDelivered(cursor, now, after);
  scheduler_.isolation().Note(cursor, after);
  return all;
}

// A partition that cannot be read does not delay the others.
void FrameFiller::NoteRead(PartitionCursor& cursor, const Candidate& candidate,
                           const absl::Status& status, Aftermath* after) {
  Reads& reads = ReadsOf(cursor);
  reads.failure.reset();
  if (status.ok()) return;
  const PartitionLog& log = cursor.log();
  const bool trimmed = absl::IsNotFound(status) && candidate.start < log.trimmed_to();
  if (trimmed && candidate.start < log.start()) return;  // The next Fill reports it.
  if (trimmed || topic_.closing()) {
    // The deletion must not be reported before it is visible: until then there is nothing to read.
    reads.after_commit = commits_.written();
    read_after_ = std::max(read_after_, reads.after_commit);
    after->await_visible |= reads.after_commit > commits_.last();
    return;
  }
  reads.failure = std::make_unique<const std::string>(
      absl::StrCat("cannot be read at offset ", candidate.start.value(), ": ", status.message()));
  reads.again_at = shared_.Now() + kReadAgainAfter;
  after->SetAlarm(reads.again_at);
}

void FrameFiller::SetAlarms(int64_t now, Aftermath* after) const {
  for (const Reads& reads : reads_of_) {
    if (reads.failure != nullptr && reads.again_at > now) after->SetAlarm(reads.again_at);
    if (reads.history_failure != nullptr && reads.history_again_at > now) {
      after->SetAlarm(reads.history_again_at);
    }
  }
  if (history_ != nullptr) after->SetAlarm(history_->expires);
}

std::vector<std::string> FrameFiller::ReadFailures() const {
  std::vector<std::string> failures;
  for (size_t p = 0; p < reads_of_.size(); ++p) {
    const Reads& reads = reads_of_[p];
    if (reads.failure != nullptr) {
      failures.push_back(absl::StrCat("partition ", p, " ", *reads.failure));
    }
    if (reads.history_failure != nullptr && shared_.cursors[p]->has_replays()) {
      failures.push_back(absl::StrCat("partition ", p, " ", *reads.history_failure));
    }
  }
  return failures;
}

void FrameFiller::NoteVisible(int64_t visible, Aftermath* after) {
  if (read_after_ == 0 || visible < read_after_) return;
  read_after_ = 0;
  scheduler_.WakeForEvents(after);
}

// ---- The end of the log

void FrameFiller::NoteCaughtUp(Consumer& consumer, const ConsumeFrame& frame) const {
  if (!frame.deliveries.empty()) consumer.caught_up = false;
  if (consumer.caught_up || consumer.leaving || !AtHead(consumer)) return;
  consumer.caught_up = true;
  consumer.may_fall_behind = true;
  consumer.notices.set_caught_up(true);
  consumer.has_notices = true;
}

bool FrameFiller::AtHead(const Consumer& consumer) const {
  bool any = false;
  for (const auto& cursor : shared_.cursors) {
    if (!scheduler_.Serves(*cursor, consumer)) continue;
    any = true;
    if (cursor->next() < cursor->log().end() || cursor->AnyLiveReady()) return false;
    if (cursor->held() || cursor->blocked_by_sweep()) return false;
  }
  return any;
}

}  // namespace eventhub
