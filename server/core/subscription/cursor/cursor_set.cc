#include "server/core/subscription/cursor/cursor_set.h"

#include <utility>

#include "absl/algorithm/container.h"

namespace eventhub {
namespace {

// The oldest unsettled live range as of a commit; null: none.
const PendingRange* HeadAsOf(const PartitionCursor& cursor, int64_t commit) {
  for (const auto& [start, range] : cursor.pending().map()) {
    if (!range.extra && !range.SettledAsOf(commit)) return &range;
  }
  return nullptr;
}

}  // namespace

int64_t CursorSet::WallOffset() const { return absl::ToUnixMicros(clock_.Now()) - Now(); }

void CursorSet::Grow(const TopicView& topic) {
  for (size_t p = cursors_.size(); p < topic.partitions.size(); ++p) {
    cursors_.push_back(
        std::make_unique<PartitionCursor>(*topic.partitions[p], Offset(0), &pending_memory_));
    cursors_.back()->set_epoch(epochs_.fetch_add(1));
  }
}

// ---- The store

bool CursorSet::Load(PartitionId partition, const stored::Cursor& cursor) {
  if (partition.value() >= cursors_.size() || cursor.next_offset() < 0) return false;
  Of(partition)->Load(cursor);
  return true;
}

bool CursorSet::Load(PartitionId partition, Offset start, const stored::Range& range) {
  return partition.value() < cursors_.size() &&
         Of(partition)->Load(start, range, WallOffset(), Now());
}

void CursorSet::MarkDirty(PartitionCursor& cursor) {
  if (!std::exchange(cursor.to_be_written, true)) dirty_.push_back(cursor.id().value());
}

void CursorSet::Write(CommitBuilder& commit) {
  if (dirty_.empty()) return;
  const int64_t wall_offset = WallOffset();
  for (const size_t p : dirty_) {
    cursors_[p]->to_be_written = false;
    cursors_[p]->Flush(subscription_, wall_offset, commit);
  }
  dirty_.clear();
}

// ---- Commits that are not visible yet

void CursorSet::Record(const PartitionCursor& cursor, const Effects& effects) {
  if (effects.in_commit.empty()) return;
  CommitChanges::Entry& entry = in_commit_.Of(effects.commit);
  for (const CommitChange& change : effects.in_commit) {
    entry.changes.emplace_back(cursor.id(), change);
  }
  entry.acked += static_cast<uint64_t>(effects.acked);
  entry.skipped += static_cast<uint64_t>(effects.skipped);
}

void CursorSet::Complete(const CommitChanges::Entry& entry,
                         absl::FunctionRef<void(PartitionCursor&, Effects&)> conclude) {
  for (auto change = entry.changes.begin(); change != entry.changes.end();) {
    const PartitionId partition = change->first;
    PartitionCursor& cursor = *Of(partition);
    Effects effects;
    for (; change != entry.changes.end() && change->first == partition; ++change) {
      cursor.Complete(change->second, &effects);
    }
    conclude(cursor, effects);
  }
}

void CursorSet::Hold(PartitionCursor& cursor, int64_t commit) {
  if (cursor.held_until == 0) held_.push_back(cursor.id().value());
  cursor.held_until = std::max(cursor.held_until, commit);
}

void CursorSet::SetEndOfMove(PartitionCursor& cursor, int64_t commit) {
  cursor.held_until = commit;
  moves_.at(cursor.id()).back().commit = commit;
}

bool CursorSet::EndHolds(int64_t visible, absl::FunctionRef<void(PartitionCursor&)> ended) {
  ForgetMoves(visible);
  size_t still_held = 0;
  for (const size_t p : held_) {
    PartitionCursor& cursor = *cursors_[p];
    if (cursor.held_until > visible) {
      held_[still_held++] = p;
      continue;
    }
    cursor.held_until = 0;
    ended(cursor);
  }
  const bool any_ended = still_held < held_.size();
  held_.resize(still_held);
  return any_ended;
}

// ---- Reports

void CursorSet::NoteMove(const PartitionCursor& cursor, int64_t commit, NameOf name_of) {
  std::vector<Move>& moves = moves_[cursor.id()];
  CursorState state = StateOf(cursor, name_of);
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
    state = StateOf(cursor, name_of, entry.commit, all_settled);
  }
  moves.push_back({commit, std::move(state)});
}

void CursorSet::ForgetMoves(int64_t visible) {
  for (auto it = moves_.begin(); it != moves_.end();) {
    std::vector<Move>& moves = it->second;
    moves.erase(moves.begin(), absl::c_find_if(moves, [visible](const Move& move) {
                  return move.commit > visible;
                }));
    if (moves.empty()) {
      moves_.erase(it++);
    } else {
      ++it;
    }
  }
}

CursorState CursorSet::StateOf(const PartitionCursor& cursor, NameOf name_of, int64_t commit,
                               int64_t settled) const {
  CursorState state;
  state.log = &cursor.log();
  state.end = cursor.log().end();
  state.acked = cursor.AckedAsOf(commit);
  state.next = cursor.next();
  state.lag = cursor.LagUpTo(state.end) - settled;
  state.counts = cursor.pending().counts();
  state.owner = name_of(cursor.owner);
  state.epoch = cursor.epoch();
  state.lost = cursor.lost();
  const PendingRange* const head = HeadAsOf(cursor, commit);
  if (head == nullptr) return state;
  state.head_attempts = head->attempts;
  state.head_state = head->state;
  if (head->state == RangeState::kDelayed) {
    state.head_due = absl::FromUnixMicros(head->due + WallOffset());
  }
  state.head_consumer = name_of(head->consumer);
  state.head_reason = std::string(head->reason.view());
  return state;
}

const CursorState* CursorSet::Unmoved(PartitionId partition) const {
  const auto moves = moves_.find(partition);
  return moves == moves_.end() ? nullptr : &moves->second.front().before;
}

CursorState CursorSet::VisibleStateOf(const PartitionCursor& cursor, NameOf name_of) const {
  const CursorState* const unmoved = Unmoved(cursor.id());
  if (unmoved == nullptr) return StateOf(cursor, name_of);
  CursorState state = *unmoved;
  const Offset end = cursor.log().end();
  state.lag += end - state.end;
  state.end = end;
  return state;
}

void CursorSet::LowerTo(std::vector<NeededFrom>& needed) const {
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

}  // namespace eventhub
