#include "server/core/subscription/subscription.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "server/core/errors.h"
#include "server/core/subscription/cursor_tasks.h"
#include "server/core/subscription/parking.h"
#include "server/core/subscription/subscription_settings.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// Alarms that lie closer together are one.
constexpr int64_t kAlarmSlack = 5'000;

// Requests of one consumer that wait for their settlement; then it has to wait too.
constexpr int kMaxUnsettled = 256;

// What is trimmed in several steps, while the consumer takes nothing, is one range.
void AddTrimmed(const std::vector<std::pair<Offset, Offset>>& trimmed, PartitionNews& news) {
  for (const auto& [start, end] : trimmed) {
    if (!news.trimmed.empty() && news.trimmed.back().second == start) {
      news.trimmed.back().second = end;
    } else {
      news.trimmed.emplace_back(start, end);
    }
  }
}

Usage ToUsage(const v1::Credit& credit) {
  return {credit.events(), static_cast<int64_t>(std::min<uint64_t>(credit.bytes(), INT64_MAX))};
}

}  // namespace

Subscription::Subscription(const SubscriptionContext& context, SubscriptionId id,
                           std::shared_ptr<Topic> topic, stored::Subscription record)
    : context_(context),
      id_(id),
      name_(record.settings().name()),
      topic_(std::move(topic)),
      loaded_(context_.clock.Now()),
      record_(std::move(record)),
      random_(absl::Uniform<uint32_t>(absl::BitGen())) {
  MutexLock lock(mutex_);
  SetRules(Now());
  AddCursors();
}

Subscription::~Subscription() = default;

int64_t Subscription::WallOffset() const {
  return absl::ToUnixMicros(context_.clock.Now()) - Now();
}

void Subscription::SetRules(int64_t now) {
  rules_ = RulesOf(record_.settings());
  filter_.reset();
  if (record_.settings().has_filter()) {
    // Checked when it was set, and when the record was loaded.
    filter_ = std::make_shared<const EventFilter>(*CompileFilter(record_.settings().filter()));
  }
  event_rate_.SetRate(record_.settings().rate_limit().events_per_second(), now);
  byte_rate_.SetRate(record_.settings().rate_limit().bytes_per_second(), now);
  replay_event_rate_.SetRate(record_.replay_rate_limit().events_per_second(), now);
  replay_byte_rate_.SetRate(record_.replay_rate_limit().bytes_per_second(), now);
}

v1::Subscription Subscription::settings() const {
  MutexLock lock(mutex_);
  return record_.settings();
}

DeliveryRules Subscription::rules() const {
  MutexLock lock(mutex_);
  return rules_;
}

// ---- Loading

void Subscription::AddCursors() {
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (size_t p = cursors_.size(); p < view->partitions.size(); ++p) {
    cursors_.push_back(std::make_unique<PartitionCursor>(*view->partitions[p], Offset(0)));
    cursors_.back()->set_epoch(context_.next_epoch.fetch_add(1));
  }
}

absl::Status Subscription::LoadCursor(PartitionId partition, const stored::Cursor& cursor) {
  MutexLock lock(mutex_);
  if (partition.value() >= cursors_.size() || cursor.next_offset() < 0) {
    return absl::DataLossError(absl::StrCat("a cursor of subscription ", name_, " is damaged"));
  }
  cursors_[partition.value()]->Load(cursor);
  return absl::OkStatus();
}

absl::Status Subscription::LoadRange(PartitionId partition, Offset start,
                                     const stored::Range& range) {
  MutexLock lock(mutex_);
  if (partition.value() < cursors_.size() &&
      cursors_[partition.value()]->Load(start, range, WallOffset(), Now())) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("a range of subscription ", name_, " is damaged"));
}

void Subscription::Start(const std::vector<Offset>& next) {
  MutexLock lock(mutex_);
  Effects effects;
  for (size_t p = 0; p < next.size(); ++p) {
    cursors_[p]->Seek(next[p], &effects);
    dirty_.push_back(p);
  }
}

void Subscription::FinishLoading() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    for (const auto& cursor : cursors_) {
      // A power loss may have taken events back that were acked.
      Effects effects;
      if (cursor->next() > cursor->log().end()) cursor->CutTo(cursor->log().end());
      cursor->ParkExhausted(rules_, "delivered for the last time, and not settled before a restart",
                            &effects);
      Conclude(*cursor, effects, &after);
    }
  }
  CarryOut(std::move(after));
}

// ---- What comes of an operation

void Subscription::Conclude(PartitionCursor& cursor, Effects& effects, Aftermath* after) {
  counters_.acked += static_cast<uint64_t>(effects.acked);
  counters_.nacked += static_cast<uint64_t>(effects.nacked);
  counters_.skipped += static_cast<uint64_t>(effects.skipped);
  counters_.expired += static_cast<uint64_t>(effects.expired);
  bool released = false;
  for (const auto& [id, usage] : effects.released) {
    Consumer* const consumer = Find(id);
    if (consumer == nullptr) continue;
    consumer->out.events -= usage.events;
    consumer->out.bytes -= usage.bytes;
    consumer->short_of_bytes = false;
    released = true;
    WakeConsumer(*consumer, after);  // It has credit again, or may end.
  }
  NoteTrimmed(cursor, effects, after);
  std::move(effects.parked.begin(), effects.parked.end(), std::back_inserter(after->park));
  if (cursor.dirty()) MarkDirty(cursor, after);
  SetAlarm(cursor.pending().next_due(), after);
  if (effects.more_to_deliver) WakeForEvents(after);
  if (released && cursor.draining && cursor.pending().counts().leased == 0) Rebalance(after);
}

void Subscription::NoteTrimmed(PartitionCursor& cursor, const Effects& effects, Aftermath* after) {
  if (effects.lost == 0) return;
  for (const auto& [id, consumer] : consumers_) {
    if (!rules_.queue && cursor.owner != id) continue;
    AddTrimmed(effects.trimmed, consumer->news[cursor.id()]);
    consumer->has_notices = true;
    WakeConsumer(*consumer, after);
  }
}

void Subscription::MarkDirty(const PartitionCursor& cursor, Aftermath* after) {
  const size_t partition = cursor.id().value();
  if (std::find(dirty_.begin(), dirty_.end(), partition) == dirty_.end()) {
    dirty_.push_back(partition);
  }
  after->flush = true;
}

void Subscription::SetAlarm(int64_t due, Aftermath* after) {
  if (due >= alarm_due_) return;
  alarm_due_ = due;
  after->alarm = std::min(after->alarm, due);
}

void Subscription::WakeConsumer(Consumer& consumer, Aftermath* after) {
  if (!consumer.waiting || consumer.closed) return;
  consumer.waiting = false;
  after->wake.push_back(consumers_.at(consumer.id));
}

void Subscription::WakeForEvents(Aftermath* after) {
  if (!rules_.queue) return WakeAll(after);
  size_t taken = 0;
  while (taken < waiting_.size()) {
    const std::shared_ptr<Consumer> consumer = waiting_[taken++].lock();
    if (consumer == nullptr) continue;
    consumer->in_line = false;
    if (!consumer->waiting || !consumer->CreditLeft()) continue;
    WakeConsumer(*consumer, after);
    break;
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken));
}

void Subscription::WakeAll(Aftermath* after) {
  waiting_.clear();
  for (const auto& [id, consumer] : consumers_) {
    consumer->in_line = false;
    WakeConsumer(*consumer, after);
  }
}

void Subscription::CarryOut(Aftermath after) {
  if (after.alarm != INT64_MAX) {
    context_.alarm.Schedule(std::max(after.alarm, Now() + kAlarmSlack), weak_from_this());
  }
  if (!after.park.empty()) {
    StartParking(context_, shared_from_this(), std::move(after.park), [](const absl::Status&) {});
  }
  for (const std::shared_ptr<Consumer>& consumer : after.wake) consumer->options.wake();
  if (after.flush) Flush();
}

void Subscription::CarryOutIn(CommitBuilder& commit, Aftermath after) {
  commit.AddHook(shared_from_this());
  after.flush = false;
  CarryOut(std::move(after));
}

// Has what changed outside of a commit written with the next one: deliveries count as attempts.
void Subscription::Flush() {
  {
    MutexLock lock(mutex_);
    if (flush_queued_ || dirty_.empty()) return;
    flush_queued_ = true;
  }
  context_.writer.Submit(std::make_unique<FlushTask>(shared_from_this()));
}

void Subscription::BeforeWrite(CommitBuilder& commit) {
  closing_dead_letters_.clear();  // From here on the store knows.
  MutexLock lock(mutex_);
  flush_queued_ = false;
  if (closing_) return;
  for (const size_t partition : dirty_) cursors_[partition]->Flush(id_, WallOffset(), commit);
  dirty_.clear();
}

Consumer* Subscription::Find(ConsumerId id) const {
  const auto it = consumers_.find(id);
  return it == consumers_.end() ? nullptr : it->second.get();
}

// ---- Consumers

std::shared_ptr<Consumer> Subscription::Open(ConsumerOptions options,
                                             const v1::ConsumeRequest& first) {
  Aftermath after;
  std::shared_ptr<Consumer> consumer;
  {
    MutexLock lock(mutex_);
    consumer =
        std::make_shared<Consumer>(ConsumerId(++last_consumer_), context_.next_epoch.fetch_add(1),
                                   std::move(options), context_.clock.Now());
    if (first.has_credit()) consumer->credit = ToUsage(first.credit());
    consumer->leaving = first.leave();
    v1::ConsumeOpened& opened = *consumer->notices.mutable_opened();
    opened.set_consumer(consumer->options.name);
    opened.set_queue(rules_.queue);
    opened.set_session(consumer->session);
    opened.mutable_ack_deadline()->set_seconds(rules_.ack_deadline / 1'000'000);
    opened.mutable_ack_deadline()->set_nanos(
        static_cast<int32_t>(rules_.ack_deadline % 1'000'000 * 1000));
    consumer->has_notices = true;
    consumers_.emplace(consumer->id, consumer);
    Rebalance(&after);
  }
  CarryOut(std::move(after));
  return consumer;
}

void Subscription::SetCredit(Consumer& consumer, const v1::Credit& credit) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    consumer.credit = ToUsage(credit);
    consumer.short_of_bytes = false;
    WakeConsumer(consumer, &after);
  }
  CarryOut(std::move(after));
}

void Subscription::Leave(Consumer& consumer, bool at_once) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer.closed) return;
    consumer.leaving = true;
    consumer.leaving_at_once |= at_once;
    Rebalance(&after);
    WakeForEvents(&after);  // What it was woken for is for another.
    WakeConsumer(consumer, &after);
  }
  CarryOut(std::move(after));
}

bool Subscription::Overloaded(const Consumer& consumer) const {
  MutexLock lock(mutex_);
  return consumer.unsettled >= kMaxUnsettled;
}

void Subscription::Close(Consumer& consumer) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer.closed) return;
    consumer.closed = true;
    if (consumer.cold.has_value()) cursors_[consumer.cold->partition]->busy = false;
    for (const auto& cursor : cursors_) {
      if (cursor->owner == consumer.id) cursor->owner = ConsumerId();
      if (cursor->pending().counts().leased == 0) continue;
      Effects effects;
      cursor->Return(rules_, consumer.id, "its consumer went away without settling it", &effects);
      Conclude(*cursor, effects, &after);
    }
    consumers_.erase(consumer.id);
    // At once, lest it be taken for one that was unused all the while; the task below writes it.
    record_.set_last_used_micros(absl::ToUnixMicros(context_.clock.Now()));
    if (consumers_.empty()) Unregister();
    Rebalance(&after);
    WakeAll(&after);
  }
  CarryOut(std::move(after));
  context_.writer.Submit(std::make_unique<TouchTask>(shared_from_this()));
}

void Subscription::Unregister() {
  if (registered_ != nullptr && topic_->mark().Cancel(*this)) registered_.reset();
}

void Subscription::SetDeleted() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    deleted_ = true;
    WakeAll(&after);
    Unregister();
  }
  CarryOut(std::move(after));
}

void Subscription::OnAlarm() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    const int64_t now = Now();
    alarm_due_ = INT64_MAX;
    for (const auto& cursor : cursors_) {
      Effects effects;
      cursor->Expire(rules_, now, &effects);
      cursor->KeepPassed();
      Conclude(*cursor, effects, &after);
    }
    RevokeOverdue(now, &after);
    WakeForEvents(&after);  // A rate limit may be over.
  }
  CarryOut(std::move(after));
}

// ---- Changes, on the commit thread

void Subscription::Apply(CommitBuilder& commit, const v1::Subscription& settings) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    *record_.mutable_settings() = settings;
    const int64_t now = Now();
    const int64_t deadline_before = rules_.ack_deadline;
    SetRules(now);
    for (const auto& cursor : cursors_) {
      Effects effects;
      if (!rules_.queue && rules_.ack_deadline != deadline_before) {
        cursor->lease_due = now + rules_.ack_deadline;
        NoteDelivered(*cursor, &after);
      }
      cursor->ParkExhausted(rules_, "the limit of deliveries was lowered", &effects);
      Conclude(*cursor, effects, &after);
    }
    WakeAll(&after);
  }
  PutRecord(commit);
  CarryOut(std::move(after));
}

void Subscription::SetReplayRate(CommitBuilder& commit, const v1::RateLimit& limit) {
  {
    MutexLock lock(mutex_);
    *record_.mutable_replay_rate_limit() = limit;
    SetRules(Now());
  }
  PutRecord(commit);
}

void Subscription::Touch(CommitBuilder& commit) {
  {
    MutexLock lock(mutex_);
    record_.set_last_used_micros(absl::ToUnixMicros(context_.clock.Now()));
  }
  PutRecord(commit);
}

void Subscription::PutRecord(CommitBuilder& commit) const {
  MutexLock lock(mutex_);
  commit.Put(Column::kMeta, SubscriptionKey(id_), record_.SerializeAsString());
}

void Subscription::Seek(CommitBuilder& commit, const std::vector<Place>& places) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    AddCursors();
    for (const Place& place : places) {
      PartitionCursor& cursor = *cursors_[place.partition.value()];
      const ConsumerId owner = cursor.owner;
      Effects effects;
      cursor.Seek(place.next, &effects);
      for (const stored::SnapshotPartition& pending : place.pending) {
        for (int i = 0; i < pending.starts_size(); ++i) {
          // What was out for the last time then has its last delivery again.
          uint32_t attempts = pending.attempts(i);
          if (rules_.max_attempts > 0) attempts = std::min(attempts, rules_.max_attempts - 1);
          cursor.AddPending(Offset(pending.starts(i)), pending.counts(i), attempts);
        }
      }
      NoteMoved(cursor, &after);
      cursor.DropTrimmed(&effects);
      Conclude(cursor, effects, &after);
      if (owner != ConsumerId()) Assign(cursor, owner, &after);
    }
    Rebalance(&after);
    WakeAll(&after);
  }
  CarryOutIn(commit, std::move(after));
}

int64_t Subscription::Replay(CommitBuilder& commit, const PartitionRanges& ranges) {
  Aftermath after;
  int64_t events = 0;
  {
    MutexLock lock(mutex_);
    AddCursors();
    for (const PartitionRange& range : ranges) {
      PartitionCursor& cursor = *cursors_[range.partition.value()];
      events += cursor.AddReplay(range.start, range.end, true);
      Effects effects;
      effects.more_to_deliver = true;
      Conclude(cursor, effects, &after);
    }
  }
  CarryOutIn(commit, std::move(after));
  return events;
}

int64_t Subscription::CountReplay(const PartitionRanges& ranges) {
  MutexLock lock(mutex_);
  AddCursors();
  int64_t events = 0;
  for (const PartitionRange& range : ranges) {
    events += cursors_[range.partition.value()]->AddReplay(range.start, range.end, false);
  }
  return events;
}

int64_t Subscription::CancelReplays(CommitBuilder& commit) {
  Aftermath after;
  int64_t events = 0;
  {
    MutexLock lock(mutex_);
    for (const auto& cursor : cursors_) {
      Effects effects;
      events += cursor->CancelReplays(&effects);
      Conclude(*cursor, effects, &after);
    }
  }
  CarryOutIn(commit, std::move(after));
  return events;
}

void Subscription::Redrive(CommitBuilder& commit, PartitionId partition, Offset event,
                           const DeadLetterPlace& place) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    PartitionCursor& cursor = *cursors_[partition.value()];
    cursor.AddRedriven(event, place);
    Effects effects;
    effects.more_to_deliver = true;
    Conclude(cursor, effects, &after);
  }
  CarryOutIn(commit, std::move(after));
}

bool Subscription::IsParking(PartitionId partition, Offset event) const {
  MutexLock lock(mutex_);
  const PendingRanges& pending = cursors_[partition.value()]->pending();
  const auto it = pending.At(event);
  return it != pending.map().end() && it->first <= event.value() &&
         it->second.state == RangeState::kParking;
}

void Subscription::FinishParking(CommitBuilder& commit, PartitionId partition, Offset event,
                                 bool dead_letter) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    PartitionCursor& cursor = *cursors_[partition.value()];
    Effects effects;
    if (dead_letter) {
      cursor.FinishParking(event, 1, &effects);
      ++counters_.dead_lettered;
    } else {
      cursor.LoseParked(event, &effects);
    }
    effects.more_to_deliver = true;  // A STREAM goes on after its last attempt.
    Conclude(cursor, effects, &after);
  }
  CarryOutIn(commit, std::move(after));
}

void Subscription::AbandonParking(PartitionId partition, Offset event, absl::string_view why) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    PartitionCursor& cursor = *cursors_[partition.value()];
    cursor.AbandonParking(event, 1, Now() + rules_.max_backoff, why);
    Effects effects;
    Conclude(cursor, effects, &after);
  }
  CarryOut(std::move(after));
}

stored::Snapshot Subscription::TakeSnapshot() const {
  stored::Snapshot snapshot;
  snapshot.set_version(1);
  snapshot.set_create_time_micros(absl::ToUnixMicros(context_.clock.Now()));
  int64_t lag = 0;
  MutexLock lock(mutex_);
  for (const auto& cursor : cursors_) {
    stored::SnapshotPartition& partition = *snapshot.add_partitions();
    partition.set_partition(cursor->id().value());
    partition.set_next_offset(cursor->next().value());
    for (const auto& [start, range] : cursor->pending().map()) {
      if (range.extra) continue;
      partition.add_starts(start);
      partition.add_counts(range.count);
      partition.add_attempts(range.attempts);
    }
    lag += cursor->LagUpTo(cursor->log().end());
  }
  snapshot.set_lag_events(static_cast<uint64_t>(lag));
  return snapshot;
}

}  // namespace eventhub
