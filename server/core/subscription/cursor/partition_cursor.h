// A subscription's position in one partition: what is next, in flight, and to be redelivered.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "server/core/subscription/cursor/candidates.h"
#include "server/core/subscription/cursor/cursor_seek.h"
#include "server/core/subscription/cursor/delivery_rules.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/cursor/event_ledger.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "server/core/subscription/cursor/seek_target.h"
#include "server/core/subscription/cursor/snapshot_copy.h"
#include "server/core/subscription/cursor/sweeps.h"
#include "server/core/subscription/records.pb.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/partition_log.h"

namespace eventhub {

// Decides what consumers may do with the events of a partition, and has its parts do it: the
// EventLedger knows the state of each event, Candidates what is delivered next, Sweeps and
// CursorSeek carry out what takes several pieces.
//
// Guarded by the subscription's mutex. Times are microseconds of the monotonic clock.
//
// Operations on all that is pending are *sweeps*: they go over the ranges in order, in pieces, so
// that the mutex is held only briefly.
class PartitionCursor {
 public:
  using Refused = absl::FunctionRef<void(Offset from, Offset to)>;

  static constexpr size_t kMaxRanges = PendingRanges::kMaxRanges;

  // The meter, if any, counts the memory of pending ranges.
  PartitionCursor(PartitionLog& log, Offset next, MemoryMeter* meter = nullptr)
      : ledger_(log, next, meter) {}

  PartitionLog& log() const { return ledger_.log(); }
  PartitionId id() const { return ledger_.id(); }
  const PendingRanges& pending() const { return ledger_.pending(); }

  bool has_redriven() const { return ledger_.has_redriven(); }
  bool has_replays() const { return ledger_.has_replays(); }
  // The first dead letter in a partition of a topic, or in any, that may have to be read to deliver
  // a redriven event; nullopt if there is none.
  std::optional<Offset> FirstRedrivenFrom(TopicId topic,
                                          std::optional<PartitionId> partition) const {
    return ledger_.FirstRedrivenFrom(topic, partition);
  }
  // Whether the event will still be delivered live, so that it cannot be redriven: see AddRedriven.
  bool WillBeDelivered(Offset event) const { return ledger_.WillBeDelivered(event); }
  // The first offset that was never delivered.
  Offset next() const { return ledger_.next(); }
  // All live events before it are settled.
  Offset acked() const { return AckedAsOf(-1); }
  // The same, as of a commit that is not visible yet.
  Offset AckedAsOf(int64_t commit) const { return ledger_.AckedAsOf(commit); }
  // The number of live events that the change, which is not visible yet, settles.
  int64_t SettledBy(const CommitChange& change) const { return ledger_.SettledBy(change); }
  // The first unsettled event that is in the log, including replayed and redriven ones, and those
  // that a seek in progress makes unsettled.
  Offset needed() const;
  // The number of unsettled live events before `end`.
  int64_t LagUpTo(Offset end) const;
  uint64_t lost() const { return ledger_.lost(); }
  bool Exhausted(const DeliveryRules& rules) const { return Candidates::Exhausted(ledger_, rules); }
  // Whether live events are ready to be redelivered.
  bool AnyLiveReady() const;

  // The lease epoch of deliveries. set_epoch ends all leases. A QUEUE also renews the epoch when
  // leases expire, to distinguish requests about expired leases from requests about later ones.
  uint64_t epoch() const { return epoch_; }
  void set_epoch(uint64_t epoch) { first_epoch_ = epoch_ = epoch; }
  void RenewEpoch(uint64_t epoch) { epoch_ = epoch; }
  // Whether events in flight may have been delivered under this epoch.
  bool Holds(uint64_t epoch) const { return first_epoch_ <= epoch && epoch <= epoch_; }

  // STREAM: the owner of the partition. See StreamScheduler.
  ConsumerId owner;
  bool to_be_written = false;  // See CursorSet::MarkDirty.
  // Until that commit is visible nothing is delivered, and the owner is not notified; 0 if not
  // held. See CursorSet::Hold.
  int64_t held_until = 0;
  // STREAM: nothing was delivered to the owner yet. It starts after the events that are being
  // parked: when a partition moves, who sees delivery continue behind them can read their dead
  // letters.
  bool waits_for_parking = false;
  bool held() const {
    return held_until != 0 || (waits_for_parking && pending().counts().parking > 0);
  }

  // Delivery.

  // The next events of a flow; a single event for kIsolated.
  std::optional<Candidate> Next(const DeliveryRules& rules, Flow flow) const {
    return candidates_.Next(ledger_, rules, flow);
  }
  // The candidates of the same flow that are likely to follow this one, at most `limit`, in
  // ascending order: so that they can be read together. Next decides.
  std::vector<Candidate> Following(const DeliveryRules& rules, const Candidate& candidate,
                                   size_t limit) const {
    return candidates_.Following(ledger_, rules, candidate, limit);
  }
  // Whether an event of a candidate with this key may be delivered; if not, it must be blocked.
  bool AdmitKey(Offset event, uint64_t key) {
    return ledger_.keys().Admit(event, key) && !WaitsForRetry(event);
  }
  // Whether as many events of this kind as may wait for others of their keys.
  bool KeysAreFull(bool extra) const {
    return ledger_.known_keys() != nullptr && ledger_.known_keys()->full(extra);
  }
  // Whether an event of a candidate waits for its retry and must be blocked: see ParkExhausted.
  bool WaitsForRetry(Offset event) const;
  // Marks events of a candidate as delivered.
  void Lease(const Candidate& candidate, Offset start, uint32_t count, uint32_t event_bytes,
             ConsumerId consumer, int64_t due) {
    candidates_.Deliver(ledger_, candidate, start, count, {consumer, epoch_, event_bytes, due});
  }
  // Marks an event of a candidate as waiting for its key, or for its retry.
  void Block(const Candidate& candidate, Offset event) {
    candidates_.Block(ledger_, candidate, event);
  }
  // Settles the events [from, to) of a candidate without delivering them. Returns whether an event
  // that waited for one of them is ready now.
  bool Pass(const Candidate& candidate, Offset from, Offset to) {
    return candidates_.Pass(ledger_, candidate, from, to);
  }

  // Settling. Each operation refuses events that are not leased to this consumer. For later
  // commits, settled events are settled at once; for observers, and for events that wait for them,
  // when the commit is visible (Complete).

  // Once a partition has as many pending ranges as it may have (PendingRanges::full), consumers
  // must not add any: they could have events in one range and settle every second one. These return
  // the part of [from, to) that may be settled, or changed in another way; the caller refuses the
  // rest.
  //
  // To settle events at an end of a range, or a whole range, leaves no more ranges than before, so
  // a consumer can always do that. `more`: ranges that the same request may add before.
  using Part = std::pair<Offset, Offset>;
  Part MaySettle(bool exact, ConsumerId consumer, Offset from, Offset to, size_t more = 0) const;
  // Only whole ranges may be changed, and the first events of the partition's first range, which
  // may hold up all others.
  Part MayChange(ConsumerId consumer, Offset from, Offset to) const;

  // Whether an ack would be accepted as a whole and settle at least one event.
  bool IsLeased(const DeliveryRules& rules, bool exact, ConsumerId consumer, Offset from,
                Offset to) const;
  // If `exact`, acks the range only; otherwise also all live events of [all_from, to).
  void Ack(bool exact, ConsumerId consumer, Offset from, Offset to, Refused refused,
           Effects* effects, Offset all_from = Offset(0));
  // Fails a delivery under `epoch`; refuses events that were redelivered since. `retry_at` is when
  // the events are redelivered. In a STREAM this applies to the first event, and the partition
  // rewinds to it.
  void Retry(const DeliveryRules& rules, ConsumerId consumer, uint64_t epoch, Offset from,
             Offset to, absl::FunctionRef<int64_t(uint32_t attempts)> retry_at, int64_t now,
             const NackReason& reason, Refused refused, Effects* effects, size_t* left = nullptr);
  void Park(ConsumerId consumer, Offset from, Offset to, const NackReason& reason, Refused refused,
            Effects* effects);
  void Skip(ConsumerId consumer, Offset from, Offset to, Refused refused, Effects* effects);
  void Extend(ConsumerId consumer, Offset from, Offset to, int64_t due, Refused refused,
              Effects* effects);

  // The number of ranges that a sweep examines while the mutex is held: less than 1 ms.
  static constexpr size_t kMaxSwept = 2'000;
  // Whether sweeps are in progress, and whether they block deliveries: otherwise a STREAM would be
  // out of order, or the limit of attempts exceeded.
  bool sweeping() const { return !sweeps_.empty(); }
  bool blocked_by_sweep() const { return sweeps_.block_deliveries(); }
  // Continues the sweeps. Operations with `left` examine at most that many ranges, subtract the
  // number that they examined, and leave the rest to a sweep. Null: no limit.
  void ContinueSweep(const DeliveryRules& rules, size_t* left, Effects* effects) {
    sweeps_.Continue(ledger_, candidates_.suspects(), rules, left, effects);
  }

  // Ends all leases of a consumer that disconnected without settling them. The attempt fails for
  // the events that it may have been processing: all of them in a QUEUE; in a STREAM the first live
  // event and the first extra one.
  void Fail(const DeliveryRules& rules, ConsumerId consumer, absl::string_view why,
            Effects* effects, size_t* left = nullptr);
  // Ends all leases of a consumer; no attempt fails.
  void Recall(const DeliveryRules& rules, ConsumerId consumer, Effects* effects,
              size_t* left = nullptr);
  // Delivers isolated events together with others from now on.
  void EndIsolation(const DeliveryRules& rules, size_t* left = nullptr);
  // The number of events to be delivered in isolation.
  int64_t WaitingIsolated() const;
  // Ends expired leases, and makes events ready whose retry is due. Events beyond `left` stay due.
  void Expire(const DeliveryRules& rules, int64_t now, Effects* effects, size_t* left = nullptr);
  // Call after loading, and after a change of the rules: parks events without attempts left. If the
  // limit was lowered, events that failed without a nack get one more attempt in isolation, since
  // another event may have caused the failure. Events that wait for a retry are delayed from here
  // on. With ordered_by_key their keys are unknown after a restart: each is a candidate once, to be
  // registered and blocked, so that later events of its key do not overtake it.
  void ParkExhausted(const DeliveryRules& rules, bool lowered, absl::string_view why,
                     Effects* effects, size_t* left = nullptr);

  // Applies the change, whose commit is visible.
  void Complete(const CommitChange& change, Effects* effects) { ledger_.Complete(change, effects); }

  // The parked events are in the dead-letter topic.
  void FinishParking(Offset start, uint32_t count, Effects* effects) {
    ledger_.FinishParking(start, count, effects);
  }
  // A parked event no longer exists anywhere.
  void LoseParked(Offset event, Effects* effects) { ledger_.LoseParked(event, effects); }
  void AbandonParking(Offset start, uint32_t count, int64_t retry_at, absl::string_view why) {
    ledger_.AbandonParking(start, count, retry_at, why);
  }

  // Drops pending events that retention has removed; a seek in progress does so itself. Returns
  // false if `left` was used up before: nothing may be delivered then.
  bool DropTrimmed(Effects* effects, size_t* left = nullptr) {
    size_t all = SIZE_MAX;
    return seeking() || ledger_.DropTrimmed(left == nullptr ? &all : left, effects);
  }
  // Likewise for one event: it is not to be delivered live.
  void DropIfTrimmed(Offset event, Effects* effects) {
    if (!seeking()) ledger_.DropIfTrimmed(event, effects);
  }
  // See EventLedger.
  void DropRedriven(Offset event, Effects* effects) { ledger_.DropRedriven(event, effects); }

  // Moving.

  // Begins a seek: see SeekTarget and CursorSeek. Nothing may be delivered until ContinueSeek has
  // returned true.
  void BeginSeek(Offset next, std::vector<UnsettledRange> unsettled);
  // Continues the seek. Returns whether it is done; call DropTrimmed then.
  bool ContinueSeek(const DeliveryRules& rules, size_t* left, Effects* effects);
  bool seeking() const { return seek_ != nullptr; }
  // A whole seek.
  void Seek(const DeliveryRules& rules, Offset to, Effects* effects);
  // A copy of this moment for a snapshot, until EndCopy; null if there is none.
  void BeginCopy() { ledger_.BeginCopy(); }
  SnapshotCopy* copy() { return ledger_.copy(); }
  void EndCopy() { ledger_.EndCopy(); }
  // Drops everything after the end of a log that lost unsynced events.
  void CutTo(Offset end) { ledger_.CutTo(end); }
  // Adds the settled events of [from, to) as extra ones; returns their number.
  int64_t AddReplay(Offset from, Offset to, Effects* effects) {
    return ledger_.AddReplay(from, to, effects);
  }
  int64_t CountReplay(Offset from, Offset to) const { return ledger_.CountReplay(from, to); }
  // Whether a commit that is not visible yet settles live events of [from, to). AddReplay and
  // AddRedriven replace them, so reports need their state from before: see CursorSet::NoteMove.
  bool SettlesLive(Offset from, Offset to) const;
  // Ends the replay of events of [from, to) that are not leased; returns their number.
  int64_t CancelReplays(Offset from, Offset to, Effects* effects) {
    return ledger_.CancelReplays(from, to, effects);
  }
  // Adds one event. Returns false, with nothing changed, if it will still be delivered live: live
  // events are subject to the filter, and may be trimmed first.
  // If the event is to be redelivered to other pipelines already, it will be to these, too, unless
  // it is in flight: see IsOutToOthers.
  bool AddRedriven(Offset event, const DeadLetterPlace& place, Effects* effects,
                   const PipelineList& pipelines = nullptr) {
    return ledger_.AddRedriven(event, place, effects, pipelines);
  }
  // See EventLedger.
  bool IsOutToOthers(Offset event, const PipelineList& pipelines) const {
    return ledger_.IsOutToOthers(event, pipelines);
  }
  bool IsUnsettledFor(Offset event, const std::string& pipeline) const {
    return ledger_.IsUnsettledFor(event, pipeline);
  }
  PipelineList PipelinesOf(Offset event) const { return ledger_.PipelinesOf(event); }

  // The store. `wall_offset`: the wall clock minus the monotonic clock.

  bool dirty() const { return ledger_.dirty(); }
  // Whether filtered events only moved `next`. That needs no write of its own: after a crash they
  // are filtered again.
  bool passed() const { return ledger_.passed(); }
  void KeepPassed() { ledger_.KeepPassed(); }
  void Flush(SubscriptionId subscription, int64_t wall_offset, CommitBuilder& commit) {
    ledger_.Flush(subscription, wall_offset, commit);
  }
  void Load(const stored::Cursor& cursor) { ledger_.Load(cursor); }
  // Called after the cursor was loaded, with ranges in order. Returns false, with nothing changed,
  // if the record is invalid.
  bool Load(Offset start, const stored::Range& range, int64_t wall_offset, int64_t now) {
    return ledger_.Load(start, range, wall_offset, now);
  }

 private:
  // The range that holds events before and from `at` on, leased to the consumer; map().end() if
  // there is none.
  PendingRanges::Map::const_iterator LeasedAround(ConsumerId consumer, Offset at) const;
  // STREAM: whether an ack of [from, to) settles an event, and none that is to be redelivered.
  bool IsOut(bool exact, Offset from, Offset to) const;
  // Edits the ranges of [from, to) that are leased to the consumer; refuses the rest.
  void EditLeased(ConsumerId consumer, Offset from, Offset to, Refused refused, Effects* effects,
                  PendingRanges::Edit edit);
  void Begin(const DeliveryRules& rules, Sweep sweep, size_t* left, Effects* effects);

  uint64_t epoch_ = 0;
  uint64_t first_epoch_ = 0;
  EventLedger ledger_;
  Candidates candidates_;
  Sweeps sweeps_;
  std::unique_ptr<CursorSeek> seek_;  // Null: no seek is in progress.
};

}  // namespace eventhub
