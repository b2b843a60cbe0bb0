// A subscription's position in one partition: what is next, in flight, and to be redelivered.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/core/subscription/cursor/key_order.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "server/core/subscription/cursor/seek_progress.h"
#include "server/core/subscription/cursor/shared_text.h"
#include "server/core/subscription/cursor/snapshot_copy.h"
#include "server/core/subscription/records.pb.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/partition_log.h"

namespace eventhub {

// The place of a dead letter.
struct DeadLetterPlace {
  TopicId topic;
  PartitionId partition;
  Offset offset;
};

// The settings of a subscription that its cursors use. Times in microseconds.
struct DeliveryRules {
  bool queue = false;
  bool ordered_by_key = false;
  int64_t ack_deadline = 0;  // 0: none.
  int64_t min_backoff = 0;
  int64_t max_backoff = 0;
  uint32_t max_attempts = 0;  // 0: no limit.

  // Whether the attempt with this number is the last one allowed.
  bool IsLast(uint32_t attempts) const { return max_attempts > 0 && attempts >= max_attempts; }
  // `attempts`, reduced so that one more attempt is allowed.
  uint16_t BeforeLast(uint32_t attempts) const {
    if (max_attempts > 0) attempts = std::min(attempts, max_attempts - 1);
    return PendingRange::CountableAttempts(attempts);
  }
};

// Events in flight, or credit for them.
struct Usage {
  int64_t events = 0;
  int64_t bytes = 0;
};

// Events to be given up.
struct Parked {
  PartitionId partition;
  Offset start;
  uint32_t count;
  uint32_t attempts;
  std::string reason;
  std::optional<DeadLetterPlace> redriven_from;  // As in Candidate.
};

// A change of pending events that takes effect when its commit becomes visible.
struct CommitChange {
  enum class Kind : uint8_t { kSettles, kComes, kLoses };

  Offset start;
  int64_t count = 0;
  Kind kind = Kind::kSettles;
  int64_t commit = 0;
};

// Consequences of operations on cursors, besides the change itself. Operations add to it.
struct Effects {
  Effects() = default;
  explicit Effects(int64_t in) : commit(in) {}

  int64_t commit = 0;  // The commit that the operations are part of; 0: none.
  // To be passed to PartitionCursor::Complete when the commit is visible.
  std::vector<CommitChange> in_commit;
  absl::InlinedVector<std::pair<ConsumerId, Usage>, 2> released;
  absl::InlinedVector<ConsumerId, 2> overdue;  // Whose leases expired.
  std::vector<Parked> parked;
  int64_t acked = 0;
  int64_t nacked = 0;
  int64_t skipped = 0;
  int64_t expired = 0;
  int64_t lost = 0;
  std::vector<std::pair<Offset, Offset>> trimmed;
  bool more_to_deliver = false;
  bool rewound = false;  // A STREAM goes back to an earlier event.
  size_t looked_at = 0;  // Pending ranges.
};

// Events to deliver next.
struct Candidate {
  Offset start;
  Offset end;                // Exclusive.
  uint32_t attempts = 0;     // Failed attempts.
  bool fresh = false;        // Never delivered before.
  bool redelivered = false;  // A consumer may have handled it.
  bool extra = false;
  bool alone = false;
  std::optional<DeadLetterPlace> redriven_from = {};  // Where a copy is, for a single event.

  Flow flow() const { return alone ? Flow::kAlone : (extra ? Flow::kExtra : Flow::kLive); }
};

// Guarded by the subscription's mutex. Times are microseconds of the monotonic clock.
//
// Operations on all that is pending are *sweeps*: they go over the ranges in order, in pieces, so
// that the mutex is held only briefly.
class PartitionCursor {
 public:
  using Refused = absl::FunctionRef<void(Offset from, Offset to)>;

  // The maximum number of pending ranges, unless memory allows fewer. Beyond it nothing new is
  // delivered until some are settled.
  static constexpr size_t kMaxRanges = 250'000;
  static constexpr size_t kMaxWaiting = 100'000;  // Events that wait for earlier ones of their key.

  // The meter, if any, counts the memory of pending ranges.
  PartitionCursor(PartitionLog& log, Offset next, MemoryMeter* meter = nullptr)
      : log_(&log), next_(next), pending_(meter) {}

  PartitionLog& log() const { return *log_; }
  PartitionId id() const { return log_->id(); }
  const PendingRanges& pending() const { return pending_; }

  bool has_redriven() const { return redriven_ != nullptr; }
  // The first dead letter in a partition of a topic, or in any, that may have to be read to deliver
  // a redriven event; nullopt if there is none.
  std::optional<Offset> FirstRedrivenFrom(TopicId topic,
                                          std::optional<PartitionId> partition) const;
  // Whether the event will still be delivered live, so that it cannot be redriven: see AddRedriven.
  bool IsToCome(Offset event) const;
  // The first offset that was never delivered.
  Offset next() const { return next_; }
  // All live events before it are settled.
  Offset acked() const { return AckedAsOf(-1); }
  // The same, as of a commit that is not visible yet.
  Offset AckedAsOf(int64_t commit) const;
  // The number of live events that the change, which is not visible yet, settles.
  int64_t SettledBy(const CommitChange& change) const;
  // The first unsettled event that is in the log, including replayed and redriven ones, and those
  // that a seek in progress makes unsettled.
  Offset needed() const;
  // The number of unsettled live events before `end`.
  int64_t LagUpTo(Offset end) const;
  uint64_t lost() const { return lost_ - lost_in_commit_; }
  bool Exhausted(const DeliveryRules& rules) const;
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

  // Delivery.

  // The next events of a flow; a single event for kAlone.
  std::optional<Candidate> Next(const DeliveryRules& rules, Flow flow) const;
  // Whether an event of a candidate with this key may be delivered; if not, it must be blocked.
  bool AdmitKey(Offset event, uint64_t key);
  // Whether an event of a candidate waits for its retry and must be blocked: see ParkExhausted.
  bool WaitsForRetry(Offset event) const;
  // Marks events of a candidate as delivered.
  void Lease(const Candidate& candidate, Offset start, uint32_t count, uint32_t event_bytes,
             ConsumerId consumer, int64_t due);
  // Marks an event of a candidate as waiting for its key, or for its retry.
  void Block(const Candidate& candidate, Offset event);
  // Settles the events [from, to) of a candidate without delivering them. Returns whether an event
  // that waited for one of them is ready now.
  bool Pass(const Candidate& candidate, Offset from, Offset to);

  // Settling. Each operation refuses events that are not leased to this consumer. For later
  // commits, settled events are settled at once; for observers, and for events that wait for them,
  // when the commit is visible (Complete).

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
             absl::string_view reason, Refused refused, Effects* effects, size_t* left = nullptr);
  void Park(ConsumerId consumer, Offset from, Offset to, absl::string_view reason, Refused refused,
            Effects* effects);
  void Skip(ConsumerId consumer, Offset from, Offset to, Refused refused, Effects* effects);
  void Extend(ConsumerId consumer, Offset from, Offset to, int64_t due, Refused refused,
              Effects* effects);

  // The number of ranges that a sweep examines while the mutex is held: less than 1 ms.
  static constexpr size_t kMaxSwept = 2'000;
  // Whether sweeps are in progress, and whether they block deliveries: otherwise a STREAM would be
  // out of order, or the limit of attempts exceeded.
  bool sweeping() const { return !sweeps_.empty(); }
  bool blocked_by_sweep() const;
  // Continues the sweeps. Operations with `left` examine at most that many ranges, subtract the
  // number that they examined, and leave the rest to a sweep. Null: no limit.
  void SweepOn(const DeliveryRules& rules, size_t* left, Effects* effects);

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
  int64_t WaitingAlone() const;
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
  void Complete(const CommitChange& change, Effects* effects);

  // The parked events are in the dead-letter topic.
  void FinishParking(Offset start, uint32_t count, Effects* effects);
  // A parked event no longer exists anywhere.
  void LoseParked(Offset event, Effects* effects);
  void AbandonParking(Offset start, uint32_t count, int64_t retry_at, absl::string_view why);

  // Drops pending events that retention has removed.
  void DropTrimmed(Effects* effects);
  // Drops a redriven event whose last copy was removed, too. It counts as lost.
  void DropRedriven(Offset event, Effects* effects);

  // Moving.

  // Begins a seek: see SeekProgress. Nothing may be delivered until SeekOn has returned true.
  void BeginSeek(Offset next, std::vector<UnsettledRange> unsettled);
  // Continues the seek; examines about `*left` ranges, and subtracts the number. Returns whether it
  // is done; call DropTrimmed then. Until then each event has the state from before the seek or the
  // one that the seek gives to it, in memory and, after Flush, in the store. Replayed and redriven
  // events before the new position are kept as such; those that the seek makes unsettled become
  // live, except those that exist only as dead letters.
  bool SeekOn(const DeliveryRules& rules, size_t* left, Effects* effects);
  bool seeking() const { return seek_ != nullptr; }
  // A whole seek.
  void Seek(const DeliveryRules& rules, Offset to, Effects* effects);
  // A copy for a snapshot of this moment, until EndCopy; null if there is none.
  void BeginCopy() { copy_ = std::make_unique<SnapshotCopy>(next_); }
  SnapshotCopy* copy() { return copy_.get(); }
  void EndCopy() { copy_.reset(); }
  // Drops everything after the end of a log that lost unsynced events.
  void CutTo(Offset end);
  // Adds the settled events of [from, to) as extra ones; returns their number.
  int64_t AddReplay(Offset from, Offset to, Effects* effects);
  int64_t CountReplay(Offset from, Offset to) const;
  // Ends the replay of events of [from, to) that are not leased; returns their number.
  int64_t CancelReplays(Offset from, Offset to, Effects* effects);
  // Adds one event. Returns false, with nothing changed, if it will still be delivered live: live
  // events are subject to the filter, and may be trimmed first.
  bool AddRedriven(Offset event, const DeadLetterPlace& place, Effects* effects);

  // The store. `wall_offset`: the wall clock minus the monotonic clock.

  bool dirty() const { return dirty_ || pending_.dirty(); }
  // Whether filtered events only moved `next`. That needs no write of its own: after a crash they
  // are filtered again.
  bool passed() const { return passed_; }
  void KeepPassed() { dirty_ |= std::exchange(passed_, false); }
  void Flush(SubscriptionId subscription, int64_t wall_offset, CommitBuilder& commit);
  void Load(const stored::Cursor& cursor);
  // Called after the cursor was loaded, with ranges in order. Returns false, with nothing changed,
  // if the record is invalid.
  bool Load(Offset start, const stored::Range& range, int64_t wall_offset, int64_t now);

 private:
  using Verdict = PendingRanges::Verdict;
  using RedrivenPlaces = absl::btree_map<int64_t, DeadLetterPlace>;

  struct Sweep {
    enum class Kind : uint8_t {
      kFail,    // All leases of the consumers fail.
      kBlame,   // STREAM: the leases of the first live event and of the first extra one fail; the
                // others are taken back.
      kRecall,  // The leases are taken back.
      kRewind,  // The leases of live events are taken back.
      kLimits,  // See ParkExhausted.
      kJoin,    // See EndIsolation.
    };

    Kind kind;
    absl::flat_hash_set<ConsumerId> consumers;  // The consumers whose leases end.
    SharedText why;
    bool lowered = false;
    bool blocks = false;  // Nothing may be delivered before it is done.
    bool begun = false;
    bool live_blamed = false;
    bool extra_blamed = false;
    Offset at{0};  // The ranges before it are done.

    bool ends_leases() const { return kind <= Kind::kRewind; }
  };

  void Begin(const DeliveryRules& rules, Sweep sweep, size_t* left, Effects* effects);
  Verdict SweepOver(const DeliveryRules& rules, const Sweep& sweep, Offset start,
                    PendingRange& range, Effects* effects);
  Verdict CheckLimits(const DeliveryRules& rules, const Sweep& sweep, Offset start,
                      PendingRange& range, Effects* effects);
  // Fails the events before `end` that the consumers may have been processing.
  void Blame(const DeliveryRules& rules, Sweep& sweep, Offset end, Effects* effects);

  // STREAM: whether the last attempt of an event, live or extra, is in progress.
  bool LastAttemptIsOut(const DeliveryRules& rules, bool extra) const;
  int64_t CountLeased(bool extra) const;
  // STREAM: whether an ack of [from, to) settles an event, and none that is to be redelivered.
  bool IsOut(bool exact, Offset from, Offset to) const;
  std::optional<Candidate> FirstExtra() const;
  // STREAM: the next event in order to be delivered in isolation.
  std::optional<Candidate> FirstAlone() const;
  // STREAM: limits a candidate to the events that may be in flight together; see `window_`.
  std::optional<Candidate> Narrow(Candidate candidate) const;
  bool MayTakeUp(const DeliveryRules& rules, PendingRanges::Map::const_iterator range) const;
  // The parts of [from, to) that are not pending, or are settling.
  std::vector<std::pair<Offset, Offset>> Gaps(Offset from, Offset to) const;
  // Live events in order: nothing overtakes an event that waits for a retry.
  std::optional<Candidate> FirstInOrder(const DeliveryRules& rules) const;
  std::optional<Candidate> Fresh(const DeliveryRules& rules) const;
  Candidate MakeCandidate(PendingRanges::Map::const_iterator it) const;
  // Events of a candidate were delivered, blocked or filtered out.
  void NoteTakenUp(const Candidate& candidate);
  // Edits the ranges of [from, to) that are leased to the consumer; refuses the rest.
  void EditLeased(ConsumerId consumer, Offset from, Offset to, Refused refused, Effects* effects,
                  PendingRanges::Edit edit);
  void Release(const PendingRange& range, Effects* effects);
  void Settle(Offset start, PendingRange& range, Effects* effects);
  void AddComing(Offset start, int64_t count, PendingRange range, Effects* effects);
  // An attempt failed: the range waits for the next one, or is parked. `heard`: its consumer nacked
  // it. Otherwise another event in flight at that consumer may have caused the failure, so the last
  // attempt is made in isolation; a last attempt that was not made in isolation is repeated.
  void Requeue(const DeliveryRules& rules, Offset start, PendingRange& range, bool heard,
               int64_t ready_at, int64_t now, absl::string_view reason, Effects* effects);
  // Makes a leased range ready again; the attempt does not count.
  void TakeBack(Offset start, PendingRange& range, Effects* effects);
  // Like TakeBack, without returning its credit.
  static void MakeReady(PendingRange& range);
  void AddPlace(Offset event, const DeadLetterPlace& place);
  // Adjusts an extra range that a seek keeps.
  void KeepExtra(const DeliveryRules& rules, PendingRange& range, Effects* effects);
  // The parts of a seek. The first one takes `next` back to the new position, which makes all
  // events from there on live ones that were never delivered. The second one gives the events
  // before it their new state. Both return whether they are done.
  bool TakeNextBack(size_t* left, Effects* effects);
  bool ReplaceRanges(const DeliveryRules& rules, size_t* left, Effects* effects);
  // Removes what a seek does not keep of [from, to); returns the number of ranges.
  size_t ClearForSeek(const DeliveryRules& rules, Offset from, Offset to, Effects* effects);
  // Adds an unsettled live range, except where extra events are kept.
  void AddUnsettled(const DeliveryRules& rules, const UnsettledRange& added, bool trimmed,
                    Effects* effects);
  void StartParking(Offset start, PendingRange& range, absl::string_view reason, Effects* effects);
  // Called for removed ranges, outside of an edit.
  void Forget(const std::vector<std::pair<Offset, uint32_t>>& removed, Effects* effects);
  // Whether there is anything in [from, to) that a trim removes.
  bool HasTrimmed(Offset from, Offset to, Effects* effects) const;
  // Removes what a trim removes of [from, to), which is trimmed.
  void RemoveTrimmed(Offset from, Offset to, Effects* effects);
  void CountLost(int64_t events, Effects* effects);
  // A trim may remove a range at `start`, which it did not before.
  void NoteTrimmable(Offset start) { trimmed_to_ = std::min(trimmed_to_, start); }
  KeyOrder& keys();
  // Shares equal texts: ranges often have the same reason.
  SharedText Reason(absl::string_view reason);

  PartitionLog* log_;
  Offset next_;
  uint64_t epoch_ = 0;
  uint64_t first_epoch_ = 0;
  uint64_t lost_ = 0;
  uint64_t lost_in_commit_ = 0;  // Of these, in commits that are not visible yet.
  bool dirty_ = false;
  bool passed_ = false;  // Filtered events moved `next_` since the last write.
  PendingRanges pending_;
  // DropTrimmed is done up to here: pending ranges before it stay, even if the log starts after
  // them.
  Offset trimmed_to_{0};
  std::vector<Sweep> sweeps_;  // The first one is in progress; the others follow.
  // STREAM: the number of live events before `suspects_end_` that may be in flight together. Any
  // event in flight at a crashed consumer may have caused the crash. Each crash halves the window,
  // so after a few the culprit is the first event in flight.
  int64_t window_ = std::numeric_limits<int64_t>::max();
  Offset suspects_end_{0};
  SharedText last_reason_;
  // QUEUE: fresh live events and redeliveries take turns, so that events that fail repeatedly do
  // not delay all others.
  bool fresh_turn_ = false;
  // With ordered_by_key: the keys of all ready live events are known. Otherwise a fresh event of
  // the same key could overtake one of them.
  bool all_known_ = false;
  std::unique_ptr<KeyOrder> keys_;  // With ordered_by_key.
  // The dead letters of redriven events.
  std::unique_ptr<RedrivenPlaces> redriven_;
  std::unique_ptr<SeekProgress> seek_;  // Null: no seek is in progress.
  std::unique_ptr<SnapshotCopy> copy_;
};

}  // namespace eventhub
