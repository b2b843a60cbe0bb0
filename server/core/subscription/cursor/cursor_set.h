// The cursors of a subscription: what is settled, what waits to be written, and what others see of
// it while a commit is not visible yet.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "server/core/base/memory_meter.h"
#include "server/core/subscription/cursor/commit_changes.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/topic/topic.h"
#include "storage/base/clock.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/partition_log.h"

namespace eventhub {

// The first offset of a partition that its subscriptions need.
struct NeededFrom {
  PartitionId partition;
  Offset first = Offset::Max();

  bool operator==(const NeededFrom&) const = default;
};

// The state of a partition at one moment, for reports and retention.
struct CursorState {
  PartitionLog* log;
  Offset acked;
  Offset next;
  Offset end;
  int64_t lag = 0;
  PendingRanges::Counts counts;
  std::string owner;  // STREAM: the name of the consumer.
  uint64_t epoch = 0;
  uint64_t lost = 0;
  // Failed attempts of the oldest unsettled live event, if it was delivered.
  uint32_t head_attempts = 0;
  RangeState head_state = RangeState::kReady;
  absl::Time head_due;
  std::string head_consumer;
  std::string head_reason;
};

// One cursor for each partition; cursors do not move and are never removed. Guarded by the
// subscription's mutex.
//
// A commit changes cursors at once for the commits after it. Others see its changes when it is
// visible. Until then they wait here (InCommit, TakeVisible); a cursor that the commit moves is
// held (Hold), and its state before the move is reported (NoteMove, VisibleStateOf).
class CursorSet {
 public:
  using Cursors = std::vector<std::unique_ptr<PartitionCursor>>;
  // Returns the name of a consumer; empty if it is not connected.
  using NameOf = absl::FunctionRef<std::string(ConsumerId)>;

  // The references outlive this object. `epochs` provides lease epochs; `pending` counts the memory
  // of pending ranges.
  CursorSet(SubscriptionId subscription, const Clock& clock, std::atomic<uint64_t>& epochs,
            MemoryMeter& pending)
      : subscription_(subscription), clock_(clock), epochs_(epochs), pending_memory_(pending) {}

  CursorSet(const CursorSet&) = delete;
  CursorSet& operator=(const CursorSet&) = delete;

  // Adds cursors, at offset 0, for the partitions of the topic that have none.
  void Grow(const TopicView& topic);

  size_t size() const { return cursors_.size(); }
  PartitionCursor* operator[](size_t partition) const { return cursors_[partition].get(); }
  PartitionCursor* Of(PartitionId partition) const { return cursors_[partition.value()].get(); }
  // In the order of partitions.
  Cursors::const_iterator begin() const { return cursors_.begin(); }
  Cursors::const_iterator end() const { return cursors_.end(); }

  // ---- The store.

  // Return false, with nothing changed, if the record is invalid.
  bool Load(PartitionId partition, const stored::Cursor& cursor);
  bool Load(PartitionId partition, Offset start, const stored::Range& range);

  // Schedules the cursor to be written by Write.
  void MarkDirty(PartitionCursor& cursor);
  bool any_dirty() const { return !dirty_.empty(); }
  // Adds the dirty cursors to the commit.
  void Write(CommitBuilder& commit);

  // ---- Commits that are not visible yet.

  // The changes of the commit in progress.
  CommitChanges::Entry& InCommit(int64_t commit) { return in_commit_.Of(commit); }
  // The last commit with changes that are not visible; 0: none.
  int64_t last_in_commit() const { return in_commit_.last(); }
  // Records the changes of an operation that is part of a commit.
  void Record(const PartitionCursor& cursor, const Effects& effects);
  // Takes the changes of the first commit, if it is visible; pass them to Complete.
  std::optional<CommitChanges::Entry> TakeVisible(int64_t visible) {
    return in_commit_.Take(visible);
  }
  // Applies the changes; calls `conclude` once for each run of changes of one cursor.
  void Complete(const CommitChanges::Entry& entry,
                absl::FunctionRef<void(PartitionCursor&, Effects&)> conclude);

  // Blocks deliveries from the cursor, and notices about it, until that commit is visible.
  void Hold(PartitionCursor& cursor, int64_t commit);
  // Sets the commit that ends the last move of the cursor, after Hold and NoteMove.
  static constexpr int64_t kLaterCommit = std::numeric_limits<int64_t>::max();
  void SetEndOfMove(PartitionCursor& cursor, int64_t commit);
  // Ends the holds for visible commits, and reports these moves. Returns whether a hold ended.
  bool EndHolds(int64_t visible, absl::FunctionRef<void(PartitionCursor&)> ended);

  // ---- Reports.

  // Call before that commit moves the cursor, or replaces events that earlier commits settle: until
  // it is visible, the present state is reported, with those commits as they become visible.
  void NoteMove(const PartitionCursor& cursor, int64_t commit, NameOf name_of);
  // The state as of the last visible commit.
  CursorState VisibleStateOf(const PartitionCursor& cursor, NameOf name_of) const;
  // Lowers each to the first unsettled event, including replays and redrives; to the start of the
  // log for a partition without a cursor.
  void LowerTo(std::vector<NeededFrom>& needed) const;

  // The wall clock minus the monotonic clock, in microseconds.
  int64_t WallOffset() const;

 private:
  // The state of a cursor to report until `commit` is visible: a move of the cursor, or a commit
  // before the first move that settles events.
  struct Move {
    int64_t commit;
    CursorState before;
  };

  // The state as of a commit that is not visible yet; -1: as of the visible ones. `settled`: the
  // live events that this commit, and those before it that are not visible, settle.
  CursorState StateOf(const PartitionCursor& cursor, NameOf name_of, int64_t commit = -1,
                      int64_t settled = 0) const;
  // The state to report until a move is visible; null if there is no move.
  const CursorState* Unmoved(PartitionId partition) const;
  // Removes the moves up to that commit.
  void ForgetMoves(int64_t visible);
  int64_t Now() const { return absl::ToInt64Microseconds(clock_.Monotonic()); }

  const SubscriptionId subscription_;
  const Clock& clock_;
  std::atomic<uint64_t>& epochs_;
  MemoryMeter& pending_memory_;
  Cursors cursors_;            // Indexed by partition.
  std::vector<size_t> dirty_;  // Cursors to be written.
  CommitChanges in_commit_;
  std::vector<size_t> held_;  // Cursors with a `held_until`.
  // By partition, in the order of the calls of NoteMove; never empty.
  absl::flat_hash_map<PartitionId, std::vector<Move>> moves_;
};

}  // namespace eventhub
