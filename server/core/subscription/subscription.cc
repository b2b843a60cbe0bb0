#include "server/core/subscription/subscription.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_slice.h"
#include "server/core/subscription/cursor_tasks.h"
#include "server/core/subscription/dead_letter/parking.h"
#include "server/core/subscription/dispatch/consumer_info.h"
#include "server/core/subscription/dispatch/history_ahead.h"
#include "server/core/subscription/dispatch/history_reads.h"
#include "server/core/subscription/dispatch/notices.h"
#include "server/core/subscription/subscription_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

using google::protobuf::util::TimeUtil;

// Alarms at most this far apart are merged. Microseconds.
constexpr int64_t kAlarmSlack = 5'000;

// The maximum number of unsettled requests of a consumer.
constexpr int kMaxUnsettled = 256;

// The minimum work that one look for events counts as. Bytes.
constexpr size_t kLookCost = size_t{32} << 10;

// The bytes that one job of the disk pool filters.
constexpr size_t kMaxColdWork = size_t{1} << 20;

// The same for a thread that reads the history.
constexpr size_t kMaxHistoryWork = size_t{4} << 20;

// Identifies this subscription among those of the store and its copies, including a subscription
// created in a copy under the same id.
uint64_t IncarnationOf(const SubscriptionContext& context, SubscriptionId id,
                       const v1::Subscription& settings) {
  const uint64_t parts[] = {context.store.runs().origin(), id.value(),
                            static_cast<uint64_t>(settings.create_time().seconds()),
                            static_cast<uint64_t>(settings.create_time().nanos())};
  const uint64_t incarnation = XXH3_64bits(parts, sizeof(parts));
  return incarnation != 0 ? incarnation : 1;
}

SubscriptionRecordPtr RecordOf(const SubscriptionContext& context,
                               const stored::Subscription& record) {
  auto filter = FilterOf(record.settings(), context.filter_memory);
  auto replay_filter = ReplayFilterOf(record, filter, context.filter_memory);
  return std::make_shared<const SubscriptionRecord>(
      SubscriptionRecord{record, std::move(filter), std::move(replay_filter)});
}

Usage ToUsage(const v1::Credit& credit) {
  return {credit.events(), static_cast<int64_t>(std::min<uint64_t>(credit.bytes(), INT64_MAX))};
}

}  // namespace

Subscription::Subscription(const SubscriptionContext& context, SubscriptionId id,
                           std::shared_ptr<Topic> topic, const stored::Subscription& record)
    : context_(context),
      id_(id),
      incarnation_(IncarnationOf(context, id, record.settings())),
      name_(record.settings().name()),
      topic_(std::move(topic)),
      source_(context.store, context.topics, *topic_),
      loaded_(context_.clock.Now()),
      submitted_(RecordOf(context, record)),
      record_(submitted_.record),
      last_used_micros_(record.last_used_micros()),
      rules_(RulesOf(record.settings())),
      cursors_(id, context.clock, context.next_epoch, context.pending_memory),
      shared_{cursors_, consumers_, counters_, rules_, context.clock, context.next_epoch},
      scheduler_(Scheduler::Create(shared_)),
      // Each start of the hub begins with a different partition.
      filler_(shared_, *scheduler_, *topic_, context.store.visible_commits(), context.reads,
              context.generation - 1),
      settler_(shared_, *scheduler_, name_, topic_->name()) {
  MutexLock lock(mutex_);
  filler_.Follow(*record_, Now());
  cursors_.Grow(*topic_->view());
}

Subscription::~Subscription() = default;

v1::Subscription Subscription::settings() const {
  MutexLock lock(mutex_);
  return record_->record.settings();
}

// ---- Loading

absl::Status Subscription::LoadCursor(PartitionId partition, const stored::Cursor& cursor) {
  MutexLock lock(mutex_);
  if (cursors_.Load(partition, cursor)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("a cursor of subscription ", name_, " is damaged"));
}

absl::Status Subscription::LoadRange(PartitionId partition, Offset start,
                                     const stored::Range& range) {
  MutexLock lock(mutex_);
  if (cursors_.Load(partition, start, range)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("a range of subscription ", name_, " is damaged"));
}

void Subscription::LoadDeadLetter() {
  MutexLock lock(mutex_);
  ++counters_.open_dead_letters;
}

void Subscription::Start(const std::vector<Offset>& next) {
  MutexLock lock(mutex_);
  Effects effects;
  for (size_t p = 0; p < next.size(); ++p) {
    cursors_[p]->Seek(rules_, next[p], &effects);
    cursors_.MarkDirty(*cursors_[p]);
  }
}

void Subscription::FinishLoading() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (counters_.open_dead_letters > 0) set_may_have_letters();
    for (const auto& cursor : cursors_) {
      if (cursor->has_redriven()) set_may_have_letters();
      // A power loss may have removed acked events.
      Effects effects;
      if (cursor->next() > cursor->log().end()) cursor->CutTo(cursor->log().end());
      // No limit: nobody else needs the mutex yet.
      cursor->ParkExhausted(rules_, false, "the last attempt failed before a restart", &effects);
      scheduler_->Conclude(*cursor, effects, &after);
    }
  }
  Perform(std::move(after));
}

// ---- Consumers

std::shared_ptr<Consumer> Subscription::Open(ConsumerOptions options,
                                             const v1::ConsumeRequest& first) {
  Aftermath after;
  std::shared_ptr<Consumer> consumer;
  {
    MutexLock lock(mutex_);
    consumer =
        consumers_.Add(context_.next_epoch.fetch_add(1), std::move(options), context_.clock.Now());
    if (first.has_credit()) consumer->credit = ToUsage(first.credit());
    consumer->leaving = first.leave();
    v1::ConsumeOpened& opened = *consumer->notices.mutable_opened();
    opened.set_consumer(consumer->options.name);
    opened.set_queue(rules_.queue);
    opened.set_session(consumer->session);
    opened.set_subscription_id(incarnation_);
    *opened.mutable_ack_deadline() = TimeUtil::MicrosecondsToDuration(rules_.ack_deadline);
    consumer->has_notices = true;
    Rebalance(&after);
  }
  Perform(std::move(after));
  return consumer;
}

void Subscription::SetCredit(Consumer& consumer, const v1::Credit& credit) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    consumer.credit = ToUsage(credit);
    consumer.short_of_bytes = false;
    scheduler_->MarkResponsive(consumer, &after);
    consumers_.Wake(consumer, &after.wake);
  }
  Perform(std::move(after));
}

void Subscription::Leave(Consumer& consumer, bool at_once) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer.closed) return;
    consumer.leaving = true;
    consumer.leaving_at_once |= at_once;
    Rebalance(&after);
    scheduler_->WakeForEvents(
        &after);  // Another consumer may take the events that it was woken for.
    consumers_.Wake(consumer, &after.wake);
  }
  Perform(std::move(after));
}

bool Subscription::Overloaded(const Consumer& consumer) const {
  if (consumer.requests->spent()) return true;
  MutexLock lock(mutex_);
  return consumer.unsettled >= kMaxUnsettled;
}

void Subscription::Close(Consumer& consumer, Ended ended) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer.closed) return;
    filler_.AbandonFetch(consumer);
    const bool failed = ended == Ended::kByConsumer;
    scheduler_->Disconnect(consumer, failed ? "its consumer disconnected without settling it" : "",
                           &after);
    // Set at once, so that the subscription does not seem unused; the task below writes it.
    last_used_micros_ = absl::ToUnixMicros(context_.clock.Now());
    if (consumers_.empty()) Unregister();
  }
  Perform(std::move(after));
  context_.writer.Submit(std::make_unique<TouchTask>(shared_from_this()));
}

void Subscription::SetDeleted() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    deleted_ = true;
    filler_.Stop(&after);
    consumers_.WakeAll(&after.wake);
    Unregister();
  }
  Perform(std::move(after));
}

// ---- Delivery

absl::StatusOr<Subscription::Step> Subscription::Poll(Consumer& consumer, ConsumeFrame* frame,
                                                      size_t room) {
  consumer.frame_bytes = std::min(consumer.options.max_frame_bytes, room);
  for (size_t looked_at = 0;;) {
    ASSIGN_OR_RETURN(const std::optional<Step> step,
                     Look(consumer, frame, looked_at <= kMaxPolledBytes));
    if (step.has_value()) return *step;
    FetchTurn turn(context_.clock, 0, kMaxPolledBytes);
    DeliverFetched(consumer, frame, /*last=*/false, &turn);
    looked_at += std::max(turn.matched(), kLookCost);
    if (!frame->empty()) return Step::kFrame;
  }
}

absl::StatusOr<std::optional<Subscription::Step>> Subscription::Look(Consumer& consumer,
                                                                     ConsumeFrame* frame,
                                                                     bool may_match) {
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
      const FrameFiller::Want want = filler_.Fill(consumer, Now(), frame, &after);
      if (want == FrameFiller::Want::kFetch) {
        // Notices are sent with the fetched events: there may be more by then.
        step = Step::kCold;
        if (may_match && consumer.fetch->in_memory()) step.reset();
        break;
      }
      filler_.NoteCaughtUp(consumer, *frame);
      if (TakeNotices(consumer, frame) || !frame->deliveries.empty()) {
        step = Step::kFrame;
        if (!frame->deliveries.empty()) scheduler_->PassOn(&after);
        break;
      }
      const bool all_back = consumer.out.events == 0 || consumer.leaving_at_once;
      if (consumer.leaving && all_back && consumer.unsettled == 0) {
        step = Step::kEnd;
        break;
      }
      if (want == FrameFiller::Want::kNothing) scheduler_->PassOn(&after);
      if (Arm(consumer, seen, want == FrameFiller::Want::kEvents)) break;
    }
  }
  Perform(std::move(after));
  return step;
}

void Subscription::ReadCold(Consumer& consumer, ConsumeFrame* frame, size_t room) {
  consumer.frame_bytes = std::min(consumer.options.max_frame_bytes, room);
  FetchTurn turn(context_.clock, consumer.frame_bytes, kMaxColdWork);
  // A frame that is half full is sent: the next batch might not fit, and would be read in vain.
  while (DeliverFetched(consumer, frame, /*last=*/true, &turn) && !turn.over() &&
         frame->bytes < consumer.frame_bytes / 2 && FillOn(consumer, frame)) {
  }
  consumer.adds_on = false;
}

bool Subscription::DeliverFetched(Consumer& consumer, ConsumeFrame* frame, bool last,
                                  FetchTurn* turn) {
  EventFetch fetch = *std::move(consumer.fetch);
  const FetchedEvents fetched = source_.Fetch(fetch, turn);
  Aftermath after;
  bool all = false;
  {
    MutexLock lock(mutex_);
    all = filler_.TakeFetched(consumer, fetch, fetched, last, frame, &after);
    if (!consumer.adds_on) TakeNotices(consumer, frame);
  }
  Perform(std::move(after));
  // A failed fetch does not use up the turn.
  return all && fetched.status.ok();
}

bool Subscription::FillOn(Consumer& consumer, ConsumeFrame* frame) {
  Aftermath after;
  bool fetches = false;
  {
    MutexLock lock(mutex_);
    if (consumer.closed) return false;
    consumer.adds_on = true;
    TakeVisible(&after);
    fetches = filler_.Fill(consumer, Now(), frame, &after) == FrameFiller::Want::kFetch;
    if (!frame->deliveries.empty()) consumer.caught_up = false;
  }
  Perform(std::move(after));
  return fetches;
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

void Subscription::Unregister() {
  if (registered_ != nullptr && topic_->mark().Cancel(*this)) registered_.reset();
}

// Called on the commit thread: only wakes consumers.
void Subscription::Wake() {
  Aftermath after;
  std::shared_ptr<Subscription> self;
  {
    MutexLock lock(mutex_);
    self = std::move(registered_);
    scheduler_->WakeForEvents(&after);
  }
  Perform(std::move(after));
}

void Subscription::Rebalance(Aftermath* after) {
  cursors_.Grow(*topic_->view());
  scheduler_->Rebalance(after);
}

// ---- Settling

void Subscription::Settle(const std::shared_ptr<Consumer>& consumer, v1::ConsumeRequest request) {
  bool synced;
  {
    MutexLock lock(mutex_);
    ++consumer->unsettled;
    synced = record_->record.settings().ack_durability() == v1::DURABILITY_SYNCED;
  }
  context_.writer.Submit(std::make_unique<SettleTask>(
      context_, shared_from_this(),
      std::make_shared<Settling>(consumer, std::move(request), synced)));
}

bool Subscription::SettleIn(CommitBuilder& commit, Settling& settling, size_t* left) {
  Aftermath after(commit);
  bool done = false;
  {
    MutexLock lock(mutex_);
    done = settler_.Settle(settling, left, &after);
  }
  std::move(after.park.begin(), after.park.end(), std::back_inserter(settling.parked));
  after.park.clear();
  PerformIn(commit, std::move(after));
  return done;
}

absl::Status Subscription::AckAll(CommitBuilder& commit, const v1::TransactAcks& acks) {
  Aftermath after(commit);
  {
    // Held throughout: a consumer may disconnect at any moment, which ends its leases.
    MutexLock lock(mutex_);
    RETURN_IF_ERROR(settler_.AckAll(acks, &after));
  }
  PerformIn(commit, std::move(after));
  return absl::OkStatus();
}

void Subscription::Settled(const std::shared_ptr<Consumer>& consumer, SettleAnswer answer) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer->closed) return;
    consumer->answers.push_back(std::move(answer));
    consumer->has_notices = true;
    consumers_.Wake(*consumer, &after.wake);
  }
  Perform(std::move(after));
}

// ---- What changes cause

void Subscription::Perform(Aftermath after) {
  // The order matters: OnAlarm resets the time before it looks at the cursors.
  int64_t due = alarm_due_.load();
  while (after.alarm < due && !alarm_due_.compare_exchange_weak(due, after.alarm)) {
  }
  if (after.alarm < due) {
    context_.alarm.Schedule(std::max(after.alarm, Now() + kAlarmSlack), weak_from_this());
  }
  if (!after.park.empty()) {
    StartParking(context_, shared_from_this(), std::move(after.park), [](const absl::Status&) {});
  }
  for (const std::shared_ptr<Consumer>& consumer : after.wake) consumer->options.wake();
  if (after.history.has_value()) ReadHistory(*std::move(after.history));
  if (after.flush) Flush();
  if (after.await_visible) context_.writer.Submit(std::make_unique<FlushTask>(shared_from_this()));
}

void Subscription::ReadHistory(EventFetch fetch) {
  context_.history.Add([weak = weak_from_this(), fetch = std::move(fetch)](
                           History& history, HistoryReads::Place place) mutable {
    const std::shared_ptr<Subscription> self = weak.lock();
    if (self == nullptr) return;
    auto ahead = std::make_unique<HistoryAhead>();
    ahead->place = std::move(place);
    ahead->fetch = std::move(fetch);
    FetchTurn turn(self->context_.clock, ahead->fetch.max_bytes, kMaxHistoryWork);
    ahead->events = self->source_.FetchHistory(ahead->fetch, history, &turn);
    Aftermath after;
    {
      MutexLock lock(self->mutex_);
      self->filler_.TakeHistory(std::move(ahead), &after);
    }
    self->Perform(std::move(after));
  });
}

void Subscription::PerformIn(CommitBuilder& commit, Aftermath after) {
  commit.AddHook(shared_from_this());
  after.flush = false;
  Perform(std::move(after));
}

void Subscription::Flush() {
  {
    MutexLock lock(mutex_);
    if (flush_queued_ || !cursors_.any_dirty()) return;
    flush_queued_ = true;
  }
  context_.writer.Submit(std::make_unique<FlushTask>(shared_from_this()));
}

void Subscription::OnAlarm() {
  alarm_due_ = std::numeric_limits<int64_t>::max();
  Aftermath after;
  {
    MutexLock lock(mutex_);
    const int64_t now = Now();
    size_t left = PartitionCursor::kMaxSwept;
    bool used_up = false;
    const size_t first = first_swept_ % cursors_.size();
    for (size_t i = 0; i < cursors_.size(); ++i) {
      const size_t p = (first + i) % cursors_.size();
      PartitionCursor& cursor = *cursors_[p];
      Effects effects;
      cursor.ContinueSweep(rules_, &left, &effects);
      if (!cursor.DropTrimmed(&effects, &left)) after.SetAlarm(now);
      cursor.Expire(rules_, now, &effects, &left);
      if (left == 0 && !std::exchange(used_up, true)) first_swept_ = p + 1;  // In turn.
      if (effects.expired > 0) cursor.RenewEpoch(shared_.NewEpoch());
      cursor.KeepPassed();
      scheduler_->Conclude(cursor, effects, &after);
    }
    scheduler_->EndDue(now, &left, &after);
    filler_.DropHistory(now, &after);
    filler_.SetAlarms(now, &after);     // This one may have been set for another time.
    scheduler_->WakeForEvents(&after);  // The rate limit may allow events again.
  }
  Perform(std::move(after));
}

// ---- Commits

void Subscription::BeforeWrite(CommitBuilder& commit) {
  submitted_.EndCommit();
  MutexLock lock(mutex_);
  flush_queued_ = false;
  if (!submitted_.closing) cursors_.Write(commit);
}

void Subscription::OnVisible() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    TakeVisible(&after);
  }
  Perform(std::move(after));
}

void Subscription::TakeVisible(Aftermath* after) {
  const int64_t visible = context_.store.visible_commits().last();
  while (const std::optional<CommitChanges::Entry> entry = cursors_.TakeVisible(visible)) {
    if (entry->record != nullptr) Adopt(entry->record, after);
    Count(*entry);
    cursors_.Complete(*entry, [&](PartitionCursor& cursor, Effects& effects)
                                  ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                                    scheduler_->Conclude(cursor, effects, after);
                                  });
  }
  filler_.NoteVisible(visible, after);
  const auto ended = [&](PartitionCursor& cursor) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    scheduler_->NoteHoldEnded(cursor, after);
  };
  if (cursors_.EndHolds(visible, ended)) consumers_.WakeAll(&after->wake);
}

void Subscription::Count(const CommitChanges::Entry& entry) {
  counters_.acked += entry.acked;
  counters_.nacked += entry.nacked;
  counters_.skipped += entry.skipped;
  counters_.dead_lettered += entry.dead_lettered;
  counters_.open_dead_letters += entry.letters_added;
  for (const CommitChanges::Settled& settled : entry.settled) {
    if (settled.acked > 0) counters_.last_ack = settled.time;
    Consumer* const consumer = consumers_.Find(settled.consumer);
    if (consumer == nullptr) continue;
    consumer->acked += settled.acked;
    consumer->nacked += settled.nacked;
    if (settled.acked > 0) consumer->last_ack = settled.time;
  }
}

void Subscription::Touch(CommitBuilder& commit) {
  {
    MutexLock lock(mutex_);
    last_used_micros_ = absl::ToUnixMicros(context_.clock.Now());
  }
  PutRecord(commit);
}

void Subscription::PutRecord(CommitBuilder& commit) const {
  stored::Subscription record = submitted_.record->record;
  {
    MutexLock lock(mutex_);
    record.set_last_used_micros(last_used_micros_);
  }
  commit.Put(Column::kMeta, SubscriptionKey(id_), record.SerializeAsString());
}

// ---- Reports

CursorState Subscription::VisibleStateOf(const PartitionCursor& cursor) const {
  return cursors_.VisibleStateOf(cursor, [this](ConsumerId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(
                                             mutex_) { return consumers_.NameOf(id); });
}

Subscription::Report Subscription::MakeReport() {
  Report report;
  Aftermath after;
  {
    MutexLock lock(mutex_);
    TakeVisible(&after);
    Rebalance(&after);  // Adds new partitions.
    report.cursors.reserve(cursors_.size());
    for (const auto& cursor : cursors_) {
      scheduler_->DropTrimmed(*cursor, &after);
      report.cursors.push_back(VisibleStateOf(*cursor));
      report.isolated += cursor->pending().counts().alone;
    }
    report.counters = counters_;
    report.read_failures = filler_.ReadFailures();
    report.too_costly = filler_.too_costly();
    report.rate_limited = filler_.RateLimited(Now());
  }
  Perform(std::move(after));
  return report;
}

void Subscription::LowerTo(std::vector<NeededFrom>& needed) const {
  MutexLock lock(mutex_);
  cursors_.LowerTo(needed);
}

std::vector<v1::ConsumerInfo> Subscription::Consumers() const {
  MutexLock lock(mutex_);
  return DescribeConsumers(shared_);
}

size_t Subscription::consumer_count() const {
  MutexLock lock(mutex_);
  return consumers_.size();
}

size_t Subscription::pending_bytes() const {
  MutexLock lock(mutex_);
  size_t ranges = 0;
  for (const auto& cursor : cursors_) ranges += cursor->pending().map().size();
  return ranges * PendingRanges::kRangeBytes;
}

absl::Time Subscription::last_used() const {
  MutexLock lock(mutex_);
  if (!consumers_.empty()) return context_.clock.Now();
  // A hub that was killed could not record that consumers were connected.
  return std::max(absl::FromUnixMicros(last_used_micros_), loaded_);
}

}  // namespace eventhub
