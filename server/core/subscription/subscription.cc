#include "server/core/subscription/subscription.h"

#include <xxhash.h>

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/base/macros.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/subscription/cursor_tasks.h"
#include "server/core/subscription/dead_letter/parking.h"
#include "server/core/subscription/subscription_settings.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// Alarms at most this far apart are merged. Microseconds.
constexpr int64_t kAlarmSlack = 5'000;

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
      pending_record_(std::make_shared<const SubscriptionRecord>(
          SubscriptionRecord{record, FilterOf(record.settings(), context.filter_memory)})),
      record_(pending_record_),
      last_used_micros_(record.last_used_micros()),
      random_(absl::Uniform<uint32_t>(absl::BitGen())) {
  MutexLock lock(mutex_);
  SetRules(Now());
  AddCursors();
  const auto first = static_cast<std::ptrdiff_t>((context_.generation - 1) % turns_.size());
  turns_.splice(turns_.end(), turns_, turns_.begin(), std::next(turns_.begin(), first));
}

Subscription::~Subscription() = default;

int64_t Subscription::WallOffset() const {
  return absl::ToUnixMicros(context_.clock.Now()) - Now();
}

void Subscription::SetRules(int64_t now) {
  rules_ = RulesOf(visible_settings());
  rates_.SetLimits(visible_settings().rate_limit(), record_->record.replay_rate_limit(), now);
}

v1::Subscription Subscription::settings() const {
  MutexLock lock(mutex_);
  return visible_settings();
}

// ---- Loading

void Subscription::AddCursors() {
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (size_t p = cursors_.size(); p < view->partitions.size(); ++p) {
    cursors_.push_back(std::make_unique<PartitionCursor>(*view->partitions[p], Offset(0),
                                                         &context_.pending_memory));
    cursors_.back()->set_epoch(context_.next_epoch.fetch_add(1));
    cursors_.back()->turn = turns_.insert(turns_.end(), p);
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

void Subscription::LoadDeadLetter() {
  ++pending_dead_letters_;
  MutexLock lock(mutex_);
  ++counters_.open_dead_letters;
}

void Subscription::Start(const std::vector<Offset>& next) {
  MutexLock lock(mutex_);
  Effects effects;
  for (size_t p = 0; p < next.size(); ++p) {
    cursors_[p]->Seek(rules_, next[p], &effects);
    MarkDirty(*cursors_[p]);
  }
}

void Subscription::FinishLoading() {
  Aftermath after;
  if (pending_dead_letters_ > 0) set_may_have_letters();
  {
    MutexLock lock(mutex_);
    for (const auto& cursor : cursors_) {
      if (cursor->has_redriven()) set_may_have_letters();
      // A power loss may have removed acked events.
      Effects effects;
      if (cursor->next() > cursor->log().end()) cursor->CutTo(cursor->log().end());
      // No limit: nobody else needs the mutex yet.
      cursor->ParkExhausted(rules_, false, "the last attempt failed before a restart", &effects);
      Conclude(*cursor, effects, &after);
    }
  }
  CarryOut(std::move(after));
}

// ---- Effects of operations

void Subscription::Conclude(PartitionCursor& cursor, Effects& effects, Aftermath* after) {
  if (!effects.in_commit.empty()) {
    ABSL_ASSERT(after->commit > 0 && effects.commit == after->commit);
    CommitChanges::Entry& entry = in_commit_.Of(after->commit);
    for (const CommitChange& change : effects.in_commit) {
      entry.changes.emplace_back(cursor.id(), change);
    }
    entry.acked += static_cast<uint64_t>(effects.acked);
    entry.skipped += static_cast<uint64_t>(effects.skipped);
  }
  counters_.expired += static_cast<uint64_t>(effects.expired);
  for (const ConsumerId id : effects.overdue) consumers_.MarkOverdue(id);
  const bool released = !effects.released.empty();
  for (const auto& [id, usage] : effects.released) consumers_.Release(id, usage, &after->wake);
  if (!effects.trimmed.empty()) {
    const auto only = rules_.queue ? std::nullopt : std::optional(cursor.owner);
    consumers_.NoteTrimmed(cursor.id(), only, effects.trimmed, &after->wake);
  }
  std::move(effects.parked.begin(), effects.parked.end(), std::back_inserter(after->park));
  if (cursor.dirty()) {
    MarkDirty(cursor);
    after->flush = true;
  }
  SetAlarm(cursor.pending().next_due(), after);
  if (cursor.sweeping()) SetAlarm(Now(), after);  // The sweep continues with the next alarm.
  NoteAlone(cursor, after);
  if (effects.more_to_deliver) WakeForEvents(after);
  // Cursors are not added here: callers may be iterating over them.
  if (released && cursor.draining && cursor.pending().counts().leased == 0) Reassign(after);
}

void Subscription::DropTrimmed(PartitionCursor& cursor, Aftermath* after) {
  Effects effects;
  cursor.DropTrimmed(&effects);
  if (!effects.trimmed.empty()) Conclude(cursor, effects, after);
}

void Subscription::MarkDirty(const PartitionCursor& cursor) {
  const size_t partition = cursor.id().value();
  if (!std::exchange(cursors_[partition]->to_be_written, true)) dirty_.push_back(partition);
}

void Subscription::SetAlarm(int64_t due, Aftermath* after) {
  if (due >= alarm_due_) return;
  alarm_due_ = due;
  after->alarm = std::min(after->alarm, due);
}

void Subscription::WakeForEvents(Aftermath* after) {
  if (rules_.queue) {
    consumers_.WakeNext(&after->wake);
  } else {
    consumers_.WakeAll(&after->wake);
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
  if (after.await_visible) context_.writer.Submit(std::make_unique<FlushTask>(shared_from_this()));
}

void Subscription::CarryOutIn(CommitBuilder& commit, Aftermath after) {
  commit.AddHook(shared_from_this());
  after.flush = false;
  CarryOut(std::move(after));
}

// Writes the changes made outside of commits (deliveries and failures) with the next commit.
void Subscription::Flush() {
  {
    MutexLock lock(mutex_);
    if (flush_queued_ || dirty_.empty()) return;
    flush_queued_ = true;
  }
  context_.writer.Submit(std::make_unique<FlushTask>(shared_from_this()));
}

void Subscription::TakeVisible(Aftermath* after) {
  const int64_t visible = context_.store.visible_commits().last();
  while (const std::optional<CommitChanges::Entry> entry = in_commit_.Take(visible)) {
    if (entry->record != nullptr) TakeOver(entry->record, after);
    Count(*entry);
    for (auto change = entry->changes.begin(); change != entry->changes.end();) {
      const PartitionId partition = change->first;
      PartitionCursor& cursor = *cursors_[partition.value()];
      Effects effects;
      for (; change != entry->changes.end() && change->first == partition; ++change) {
        cursor.Complete(change->second, &effects);
      }
      Conclude(cursor, effects, after);
    }
  }
  if (read_after_ > 0 && visible >= read_after_) {
    read_after_ = 0;
    WakeForEvents(after);
  }
  size_t still_held = 0;
  for (const size_t p : std::vector<size_t>(held_.begin(), held_.end())) {
    ForgetMoves(cursors_[p]->id(), visible);
    if (cursors_[p]->held_until > visible) {
      held_[still_held++] = p;
      continue;
    }
    cursors_[p]->held_until = 0;
    NoteAssigned(*cursors_[p], after);
  }
  if (still_held < held_.size()) consumers_.WakeAll(&after->wake);
  held_.resize(still_held);
}

void Subscription::NoteMove(const PartitionCursor& cursor, int64_t commit) {
  std::vector<Move>& moves = moves_[cursor.id()];
  CursorState state = StateOf(cursor);
  int64_t all_settled = 0;
  for (const CommitChanges::Entry& entry : in_commit_.entries()) {
    if (entry.commit >= commit) break;
    int64_t settled = 0;
    for (const auto& [partition, change] : entry.changes) {
      if (partition == cursor.id()) settled += cursor.SettledBy(change);
    }
    if (settled == 0) continue;
    all_settled += settled;
    moves.push_back({entry.commit, std::move(state)});
    state = StateOf(cursor, entry.commit, all_settled);
  }
  moves.push_back({commit, std::move(state)});
}

void Subscription::ForgetMoves(PartitionId partition, int64_t visible) {
  const auto it = moves_.find(partition);
  if (it == moves_.end()) return;
  std::vector<Move>& moves = it->second;
  moves.erase(moves.begin(), absl::c_find_if(moves, [visible](const Move& move) {
                return move.commit > visible;
              }));
  if (moves.empty()) moves_.erase(it);
}

void Subscription::Count(const CommitChanges::Entry& entry) {
  counters_.acked += entry.acked;
  counters_.nacked += entry.nacked;
  counters_.skipped += entry.skipped;
  counters_.dead_lettered += entry.dead_lettered;
  counters_.open_dead_letters += static_cast<int64_t>(entry.dead_lettered) - entry.closed;
  for (const CommitChanges::Settled& settled : entry.settled) {
    if (settled.acked > 0) counters_.last_ack = settled.time;
    Consumer* const consumer = consumers_.Find(settled.consumer);
    if (consumer == nullptr) continue;
    consumer->acked += settled.acked;
    consumer->nacked += settled.nacked;
    if (settled.acked > 0) consumer->last_ack = settled.time;
  }
}

void Subscription::Hold(PartitionCursor& cursor, int64_t commit) {
  if (cursor.held_until == 0) held_.push_back(cursor.id().value());
  cursor.held_until = std::max(cursor.held_until, commit);
}

void Subscription::OnVisible() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    TakeVisible(&after);
  }
  CarryOut(std::move(after));
}

void Subscription::BeforeWrite(CommitBuilder& commit) {
  closing_dead_letters_.clear();  // From here on lookups in the store see the change.
  opened_letters_in_.clear();
  changed_snapshots_.clear();
  MutexLock lock(mutex_);
  flush_queued_ = false;
  if (closing_) return;
  for (const size_t partition : dirty_) {
    cursors_[partition]->to_be_written = false;
    cursors_[partition]->Flush(id_, WallOffset(), commit);
  }
  dirty_.clear();
}

}  // namespace eventhub
