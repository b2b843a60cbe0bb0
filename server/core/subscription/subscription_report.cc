// Reports about a subscription.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/subscription/subscription.h"

namespace eventhub {
namespace {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

v1::Credit ToCredit(const Usage& usage) {
  v1::Credit credit;
  credit.set_events(static_cast<uint32_t>(std::max<int64_t>(0, usage.events)));
  credit.set_bytes(static_cast<uint64_t>(std::max<int64_t>(0, usage.bytes)));
  return credit;
}

const PendingRange* HeadAsOf(const PartitionCursor& cursor, int64_t commit) {
  for (const auto& [start, range] : cursor.pending().map()) {
    if (!range.extra && !range.SettledAsOf(commit)) return &range;
  }
  return nullptr;
}

}  // namespace

std::string Subscription::NameOf(ConsumerId consumer) const {
  const Consumer* const found = consumers_.Find(consumer);
  return found == nullptr ? "" : found->options.name;
}

CursorState Subscription::StateOf(const PartitionCursor& cursor, int64_t commit,
                                  int64_t settled) const {
  CursorState state;
  state.log = &cursor.log();
  state.end = cursor.log().end();
  state.acked = cursor.AckedAsOf(commit);
  state.next = cursor.next();
  state.lag = cursor.LagUpTo(state.end) - settled;
  state.counts = cursor.pending().counts();
  state.owner = NameOf(cursor.owner);
  state.epoch = cursor.epoch();
  state.lost = cursor.lost();
  const PendingRange* const head = HeadAsOf(cursor, commit);
  if (head == nullptr) return state;
  state.head_attempts = head->attempts;
  state.head_state = head->state;
  if (head->state == RangeState::kDelayed) {
    state.head_due = absl::FromUnixMicros(head->due + WallOffset());
  }
  state.head_consumer = NameOf(head->consumer);
  state.head_reason = std::string(head->reason.view());
  return state;
}

const CursorState* Subscription::Unmoved(PartitionId partition) const {
  const auto moves = moves_.find(partition);
  return moves == moves_.end() ? nullptr : &moves->second.front().before;
}

CursorState Subscription::VisibleStateOf(const PartitionCursor& cursor) const {
  const CursorState* const unmoved = Unmoved(cursor.id());
  if (unmoved == nullptr) return StateOf(cursor);
  CursorState state = *unmoved;
  const Offset end = cursor.log().end();
  state.lag += end - state.end;
  state.end = end;
  return state;
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
      Effects trimmed;
      cursor->DropTrimmed(&trimmed);
      if (!trimmed.trimmed.empty()) Conclude(*cursor, trimmed, &after);
      report.cursors.push_back(VisibleStateOf(*cursor));
    }
    report.counters = counters_;
  }
  CarryOut(std::move(after));
  return report;
}

void Subscription::LowerTo(std::vector<NeededFrom>& needed) const {
  MutexLock lock(mutex_);
  for (NeededFrom& of : needed) {
    const uint32_t partition = of.partition.value();
    const Offset first = partition < cursors_.size() ? cursors_[partition]->needed() : Offset(0);
    of.first = std::min(of.first, first);
    // While a move is not visible yet, both positions count.
    if (const CursorState* const unmoved = Unmoved(of.partition)) {
      of.first = std::min(of.first, unmoved->acked);
    }
  }
}

std::vector<v1::ConsumerInfo> Subscription::Consumers() const {
  std::vector<v1::ConsumerInfo> infos;
  MutexLock lock(mutex_);
  for (const auto& [id, consumer] : consumers_.members()) {
    v1::ConsumerInfo& info = infos.emplace_back();
    info.set_name(consumer->options.name);
    info.set_address(consumer->options.address);
    *info.mutable_connect_time() = ToTimestamp(consumer->connect_time);
    *info.mutable_credit() = ToCredit(consumer->credit);
    *info.mutable_in_use() = ToCredit(consumer->out);
    info.set_acked_events(consumer->acked);
    info.set_nacked_events(consumer->nacked);
    info.set_leaving(consumer->leaving);
    info.set_stalled(consumer->stalled);
    if (consumer->last_ack != absl::InfinitePast()) {
      *info.mutable_last_ack_time() = ToTimestamp(consumer->last_ack);
    }
    if (rules_.queue) continue;
    for (const auto& cursor : cursors_) {
      if (cursor->owner == id) info.add_partitions(cursor->id().value());
    }
  }
  std::sort(infos.begin(), infos.end(), [](const auto& a, const auto& b) {
    return std::pair(a.name(), a.address()) < std::pair(b.name(), b.address());
  });
  return infos;
}

int64_t Subscription::WaitingAlone() const {
  MutexLock lock(mutex_);
  int64_t events = 0;
  for (const auto& cursor : cursors_) events += cursor->pending().counts().alone;
  return events;
}

std::vector<std::string> Subscription::ReadFailures() const {
  std::vector<std::string> failures;
  MutexLock lock(mutex_);
  for (const auto& cursor : cursors_) {
    if (cursor->read_failure == nullptr) continue;
    failures.push_back(
        absl::StrCat("partition ", cursor->id().value(), " ", *cursor->read_failure));
  }
  return failures;
}

uint64_t Subscription::TooCostly() const {
  MutexLock lock(mutex_);
  return filter() == nullptr ? 0 : filter()->too_costly();
}

bool Subscription::RateLimited() {
  MutexLock lock(mutex_);
  const int64_t now = Now();
  return rates_.AvailableAt(now) > now;
}

size_t Subscription::consumer_count() const {
  MutexLock lock(mutex_);
  return consumers_.size();
}

absl::Time Subscription::last_used() const {
  MutexLock lock(mutex_);
  if (!consumers_.empty()) return context_.clock.Now();
  // A hub that was killed could not record that consumers were connected.
  return std::max(absl::FromUnixMicros(last_used_micros_), loaded_);
}

void Subscription::CutToDelivered(PartitionRanges& ranges) {
  MutexLock lock(mutex_);
  AddCursors();
  for (PartitionRange& range : ranges) {
    const Offset next = cursors_[range.partition.value()]->next();
    range.end = std::max(range.start, std::min(range.end, next));
  }
}

std::vector<v1::PartitionMove> Subscription::DescribeMoves(const std::vector<Place>& places) {
  std::vector<v1::PartitionMove> moves;
  MutexLock lock(mutex_);
  AddCursors();
  for (const Place& place : places) {
    const PartitionCursor& cursor = *cursors_[place.partition.value()];
    // Events that are trimmed, or about to be, cannot be sought to.
    const Offset start = cursor.log().trimmed_to();
    const Offset end = cursor.log().end();
    const Offset next = std::max(place.next, start);
    Offset to = next;
    int64_t lag = std::max<int64_t>(0, end - next);
    for (const stored::SnapshotPartition& pending : place.pending) {
      for (int i = 0; i < pending.starts_size(); ++i) {
        const Offset from = std::max(Offset(pending.starts(i)), start);
        const Offset before = Offset(pending.starts(i)) + pending.counts(i);
        if (from >= before) continue;
        lag += before - from;
        to = std::min(to, from);
      }
    }
    v1::PartitionMove& move = moves.emplace_back();
    move.set_partition(place.partition.value());
    const CursorState from = VisibleStateOf(cursor);
    move.set_from_offset(from.acked.value());
    move.set_to_offset(to.value());
    move.set_lag_before(static_cast<uint64_t>(from.lag));
    move.set_lag_after(static_cast<uint64_t>(lag));
  }
  return moves;
}

}  // namespace eventhub
