// Which events of a partition are settled, pending, or were never delivered.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "server/core/subscription/cursor/delivery_rules.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/cursor/key_order.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "server/core/subscription/cursor/shared_text.h"
#include "server/core/subscription/cursor/snapshot_copy.h"
#include "server/core/subscription/records.pb.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/partition_log.h"

namespace eventhub {

// The position of a cursor, its pending ranges, and what belongs to them: the order of keys, and
// the dead letters of redriven events. All changes go through this class, which keeps these
// together. Who may make a change is decided elsewhere: see PartitionCursor.
//
// Times are microseconds of the monotonic clock. Not thread-safe.
class EventLedger {
 public:
  using Removed = std::vector<std::pair<Offset, uint32_t>>;  // Starts and counts of ranges.

  // The meter, if any, counts the memory of pending ranges, of their reasons and of the order of
  // keys.
  EventLedger(PartitionLog& log, Offset next, MemoryMeter* meter)
      : meter_(meter), log_(&log), next_(next), pending_(meter) {}

  // ---- What is known.

  PartitionLog& log() const { return *log_; }
  PartitionId id() const { return log_->id(); }
  // The first offset that was never delivered.
  Offset next() const { return next_; }
  const PendingRanges& pending() const { return pending_; }
  // The first live event that is not settled as of a commit; -1: as of the visible ones.
  Offset AckedAsOf(int64_t commit) const;
  // The number of live events that the change, which is not visible yet, settles.
  int64_t SettledBy(const CommitChange& change) const;
  // The first unsettled event that is in the log, including replayed and redriven ones.
  Offset needed() const;
  // Events that were trimmed before they were settled, as of the visible commits.
  uint64_t lost() const { return lost_ - lost_in_commit_; }
  // The parts of [from, to) that are not pending, or are settling.
  std::vector<std::pair<Offset, Offset>> Gaps(Offset from, Offset to) const;
  bool has_redriven() const { return redriven_ != nullptr; }
  // Whether it has events of replays that are not settled.
  bool has_replays() const;
  // The dead letter of a redriven event.
  const DeadLetterPlace& PlaceOf(Offset event) const { return redriven_->at(event.value()).place; }
  // The pipelines that a pending event is for.
  PipelineList PipelinesOf(Offset event) const;
  // Whether a redriven event is in flight, or being parked, without being for all of `pipelines`.
  bool IsOutToOthers(Offset event, const PipelineList& pipelines) const;
  // Whether the event is still to be settled for the pipeline, as of the visible commits; a replay
  // of it does not count.
  bool IsUnsettledFor(Offset event, const std::string& pipeline) const;
  std::optional<Offset> FirstRedrivenFrom(TopicId topic,
                                          std::optional<PartitionId> partition) const;
  // Whether the event will still be delivered live.
  bool WillBeDelivered(Offset event) const;

  // ---- The position.

  void MoveTo(Offset next) {
    next_ = next;
    dirty_ = true;
  }
  // Likewise, over filtered events.
  void PassTo(Offset next) {
    next_ = next;
    passed_ = true;
  }
  // Drops everything after the end of a log that lost unsynced events.
  void CutTo(Offset end);

  // ---- Ranges. `edit` changes a range by the methods below.

  size_t EditRange(Offset from, Offset to, PendingRanges::Edit edit) {
    return pending_.EditRange(from, to, edit);
  }
  size_t EditDue(int64_t now, size_t limit, PendingRanges::Edit edit) {
    return pending_.EditDue(now, limit, edit);
  }
  void Add(Offset start, int64_t count, const PendingRange& range) {
    pending_.Add(start, count, range);
  }
  // Call for ranges that an edit removed, after it.
  void Forget(const Removed& removed, Effects* effects);

  // Returns the credit of a leased range.
  static void Release(const PendingRange& range, Effects* effects);
  // Settles a range as of the commit; see Complete.
  void Settle(Offset start, PendingRange& range, Effects* effects);
  // The range is to become dead letters. Empty reason: that of its last failure.
  void StartParking(Offset start, PendingRange& range, const NackReason& reason, Effects* effects);
  // An attempt failed: the range waits for the next one, or is parked. `heard`: its consumer nacked
  // it. Otherwise another event in flight at that consumer may have caused the failure, so the last
  // attempt is made in isolation; a last attempt that was not made in isolation is repeated.
  void Requeue(const DeliveryRules& rules, Offset start, PendingRange& range, bool heard,
               int64_t ready_at, int64_t now, const NackReason& reason, Effects* effects);
  // Makes a leased range ready again; the attempt does not count.
  void TakeBack(Offset start, PendingRange& range, Effects* effects);
  // Likewise, without returning its credit.
  static void MakeReady(PendingRange& range);
  // Shares equal texts: ranges often have the same reason. Empty if memory is short: a reason may
  // be several times as large as its range, and reasons must leave room for ranges.
  SharedText Reason(absl::string_view reason);

  // Applies the change, whose commit is visible.
  void Complete(const CommitChange& change, Effects* effects);

  // ---- Parking: see PartitionCursor.

  void FinishParking(Offset start, uint32_t count, Effects* effects);
  void LoseParked(Offset event, Effects* effects);
  void AbandonParking(Offset start, uint32_t count, int64_t retry_at, absl::string_view why);

  // ---- Extra events: see PartitionCursor.

  int64_t AddReplay(Offset from, Offset to, Effects* effects);
  int64_t CountReplay(Offset from, Offset to) const;
  int64_t CancelReplays(Offset from, Offset to, Effects* effects);
  bool AddRedriven(Offset event, const DeadLetterPlace& place, Effects* effects,
                   const PipelineList& pipelines = nullptr);

  // ---- Trimmed events.

  // Drops pending events that retention has removed: see PartitionCursor.
  bool DropTrimmed(size_t* left, Effects* effects);
  // The same for one event; and all events that were never delivered, if it is one of them.
  void DropIfTrimmed(Offset event, Effects* effects);
  // Drops a redriven event that retention or compaction removed, with its copy. It counts as lost.
  void DropRedriven(Offset event, Effects* effects);
  // Removes what a trim removes of [from, to), which is trimmed.
  void RemoveTrimmed(Offset from, Offset to, Effects* effects);
  // Trimmed events, which were not pending, are lost to the live flow.
  void Lose(Offset from, Offset to, Effects* effects);
  // DropTrimmed need not examine the ranges before `offset`.
  void SetTrimmedTo(Offset offset) {
    trimmed_to_ = offset;
    trimmable_.clear();
  }

  // ---- Keys, with ordered_by_key.

  // Null: none is known.
  const KeyOrder* known_keys() const { return keys_.get(); }
  KeyOrder& keys();
  void ForgetKeys() { keys_.reset(); }

  // ---- A copy for a snapshot.

  void BeginCopy() { copy_ = std::make_unique<SnapshotCopy>(next_); }
  SnapshotCopy* copy() { return copy_.get(); }
  void EndCopy() { copy_.reset(); }

  // ---- The store: see PartitionCursor.

  bool dirty() const { return dirty_ || pending_.dirty(); }
  bool passed() const { return passed_; }
  void KeepPassed() { dirty_ |= std::exchange(passed_, false); }
  void Flush(SubscriptionId subscription, int64_t wall_offset, CommitBuilder& commit);
  void Load(const stored::Cursor& cursor);
  bool Load(Offset start, const stored::Range& range, int64_t wall_offset, int64_t now);

 private:
  using Verdict = PendingRanges::Verdict;
  using RedrivenEvents = absl::btree_map<int64_t, Redriven>;

  void AddComing(Offset start, int64_t count, PendingRange range, Effects* effects);
  void AddRedrivenFrom(Offset event, Redriven redriven);
  void CountLost(int64_t events, Effects* effects);
  // Whether a trim removes such a range, unless it is a replay of history; NoteTrimmable when it
  // begins to.
  static bool Trimmable(const PendingRange& range);
  // Whether the trimmed events [from, to), or those of a part of it, are history.
  bool IsHistory(Offset from, Offset to) const {
    return from >= log_->history_start() && to <= log_->history_end();
  }
  // Where history begins or ends after `from`; `to` if not before.
  Offset HistoryBorder(Offset from, Offset to) const;
  // Whether there is anything in [from, to) that a trim removes.
  bool HasTrimmed(Offset from, Offset to, Effects* effects) const;
  // Drops what was trimmed of [from, to), at most `*left` ranges. Returns how far it got.
  Offset DropPiece(Offset from, Offset to, size_t* left, Effects* effects);
  void LoseUpTo(Offset start, Effects* effects);
  // A trim may remove this range, which it did not before.
  void NoteTrimmable(Offset start, int64_t count, const PendingRange& range);

  MemoryMeter* meter_;
  PartitionLog* log_;
  Offset next_;
  uint64_t lost_ = 0;
  uint64_t lost_in_commit_ = 0;  // Of these, in commits that are not visible yet.
  bool dirty_ = false;
  bool passed_ = false;  // Filtered events moved `next_` since the last write.
  PendingRanges pending_;
  // DropTrimmed is done up to here: pending ranges before it stay, even if the log starts after
  // them, except in these ranges.
  Offset trimmed_to_{0};
  std::vector<std::pair<Offset, Offset>> trimmable_;
  SharedText last_reason_;
  PipelineList last_pipelines_;
  std::unique_ptr<KeyOrder> keys_;
  std::unique_ptr<RedrivenEvents> redriven_;  // By offset.
  std::unique_ptr<SnapshotCopy> copy_;
};

}  // namespace eventhub
