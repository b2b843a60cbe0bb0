// A subscription's place in one partition: what is next, what is out, and what is to come again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <list>
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
#include "server/core/subscription/key_order.h"
#include "server/core/subscription/pending_ranges.h"
#include "server/core/subscription/records.pb.h"
#include "server/core/subscription/shared_text.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/partition_log.h"

namespace eventhub {

// Where a dead letter is.
struct DeadLetterPlace {
  TopicId topic;
  PartitionId partition;
  Offset offset;
};

// What of a subscription's settings its cursors go by. Times in microseconds.
struct DeliveryRules {
  bool queue = false;
  bool ordered_by_key = false;
  int64_t ack_deadline = 0;  // 0: none.
  int64_t min_backoff = 0;
  int64_t max_backoff = 0;
  uint32_t max_attempts = 0;  // 0: no limit.

  // Whether an attempt with this number is the last one that there may be.
  bool IsLast(uint32_t attempts) const { return max_attempts > 0 && attempts >= max_attempts; }
  // So many, or so few that one more attempt is allowed.
  uint16_t BeforeLast(uint32_t attempts) const {
    if (max_attempts > 0) attempts = std::min(attempts, max_attempts - 1);
    return PendingRange::CountableAttempts(attempts);
  }
};

// Events that were out, or are to be.
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

// What a commit does to pending events when it is visible.
struct CommitChange {
  enum class Kind : uint8_t { kSettles, kComes, kLoses };

  Offset start;
  int64_t count = 0;
  Kind kind = Kind::kSettles;
  int64_t commit = 0;
};

// What operations on cursors bring about beside the change itself; they add to it.
struct Effects {
  Effects() = default;
  explicit Effects(int64_t in) : commit(in) {}

  int64_t commit = 0;  // That the operations are a part of; 0: of none.
  // To be given to PartitionCursor::Complete when the commit under way is visible.
  std::vector<CommitChange> in_commit;
  absl::InlinedVector<std::pair<ConsumerId, Usage>, 2> released;
  absl::InlinedVector<ConsumerId, 2> overdue;  // Whose leases ended by time.
  std::vector<Parked> parked;
  int64_t acked = 0;
  int64_t nacked = 0;
  int64_t skipped = 0;
  int64_t expired = 0;
  int64_t lost = 0;
  std::vector<std::pair<Offset, Offset>> trimmed;
  bool more_to_deliver = false;
  bool rewound = false;  // A STREAM was taken back.
  size_t looked_at = 0;  // Pending ranges.
};

// What to deliver next.
struct Candidate {
  Offset start;
  Offset end;                // Exclusive.
  uint32_t attempts = 0;     // Those that failed.
  bool fresh = false;        // Was never taken up.
  bool redelivered = false;  // A consumer may have handled it.
  bool extra = false;
  bool alone = false;
  std::optional<DeadLetterPlace> redriven_from = {};  // Where a copy is, for a single event.

  Flow flow() const { return alone ? Flow::kAlone : (extra ? Flow::kExtra : Flow::kLive); }
};

// Guarded by the subscription's mutex. Times are microseconds of the monotonic clock.
//
// What is about all that is pending is a *sweep*: it goes over the ranges in their order, a piece
// at a time, so that the mutex is held for a moment only.
class PartitionCursor {
 public:
  using Refused = absl::FunctionRef<void(Offset from, Offset to)>;

  // How many ranges may be pending, unless memory allows less; then nothing new is delivered until
  // some are settled.
  static constexpr size_t kMaxRanges = 250'000;
  static constexpr size_t kMaxWaiting = 100'000;  // Events that wait for their keys.

  // What is pending is counted by the meter, if there is one.
  PartitionCursor(PartitionLog& log, Offset next, MemoryMeter* meter = nullptr)
      : log_(&log), next_(next), pending_(meter) {}

  PartitionLog& log() const { return *log_; }
  PartitionId id() const { return log_->id(); }
  const PendingRanges& pending() const { return pending_; }

  bool has_redriven() const { return redriven_ != nullptr; }
  // The first of the dead letters in a partition of a topic, or in any, that redriven events may
  // have to be read from; nullopt if there is none.
  std::optional<Offset> FirstRedrivenFrom(TopicId topic,
                                          std::optional<PartitionId> partition) const;
  // Whether it comes with the live events, so that it cannot be redriven: see AddRedriven.
  bool IsToCome(Offset event) const;
  // The first offset that was never delivered.
  Offset next() const { return next_; }
  // Everything live before it is settled.
  Offset acked() const { return AckedAsOf(-1); }
  // The same for those who see that commit, which is not visible yet.
  Offset AckedAsOf(int64_t commit) const;
  // How many live events the change, which is not visible yet, settles.
  int64_t SettledBy(const CommitChange& change) const;
  // The first event in the log that is to be settled yet, of a replay or a redrive too.
  Offset needed() const;
  // Live events that are not settled, up to `end`.
  int64_t LagUpTo(Offset end) const;
  uint64_t lost() const { return lost_ - lost_in_commit_; }
  bool Exhausted(const DeliveryRules& rules) const;
  // Whether live events that were delivered before are to be delivered.
  bool AnyLiveReady() const;

  // The lease epoch of what is delivered. A new one ends all leases; a QUEUE also begins one when
  // leases ended by time, so that what is said of those can be told from what is said of the next.
  uint64_t epoch() const { return epoch_; }
  void set_epoch(uint64_t epoch) { first_epoch_ = epoch_ = epoch; }
  void RenewEpoch(uint64_t epoch) { epoch_ = epoch; }
  // Whether events that are out may have been delivered under it.
  bool Holds(uint64_t epoch) const { return first_epoch_ <= epoch && epoch <= epoch_; }

  // STREAM: who has the partition, and until when it may still settle after it has to give it up.
  ConsumerId owner;
  bool draining = false;
  int64_t drain_due = 0;
  int64_t lease_due = 0;       // With an ack deadline: when the owner loses it for want of acks.
  bool to_be_written = false;  // In Subscription::dirty_.
  bool busy = false;           // A read from the disk is under way for it.
  // Nothing is delivered before that commit is visible, nor said to the owner; 0: there is none.
  int64_t held_until = 0;
  // What was to be read is being deleted: there is no read before that commit is visible.
  int64_t read_after = 0;
  // A read from the disk failed: until when there is no other, and why. Null: it did not.
  int64_t read_again_at = 0;
  std::shared_ptr<const std::string> read_failure;
  bool extra_turn = false;
  std::list<size_t>::iterator turn;  // In Subscription::turns_.

  // Delivery.

  // Of a flow; kAlone has a single event.
  std::optional<Candidate> Next(const DeliveryRules& rules, Flow flow) const;
  // Of events [start, start + count) of a candidate, which the log gave: whether the one at
  // `event`, of that key, may be delivered; if not, it is to be blocked.
  bool AdmitKey(Offset event, uint64_t key);
  // Whether an event of a candidate is to wait for its retry, and is to be blocked: see
  // ParkExhausted.
  bool WaitsForRetry(Offset event) const;
  // Marks events of a candidate as delivered.
  void Lease(const Candidate& candidate, Offset start, uint32_t count, uint32_t event_bytes,
             ConsumerId consumer, int64_t due);
  // Marks an event of a candidate as waiting for its key, or for its retry.
  void Block(const Candidate& candidate, Offset event);
  // Leaves out events of a candidate from `from` to before `to`, which are settled thereby. Whether
  // one that waited for them may go now.
  bool Pass(const Candidate& candidate, Offset from, Offset to);

  // Settling. Each tells what was refused: what is not at this consumer. What settles does so for
  // the commits to come; whoever looks, and whatever waits for it, sees it when its commit is
  // visible (Complete).

  // Whether an ack would be carried out as a whole, and settle something.
  bool IsLeased(const DeliveryRules& rules, bool exact, ConsumerId consumer, Offset from,
                Offset to) const;
  // Just the range; or, not `exact`, all live events from `all_from` to before `to`, too.
  void Ack(bool exact, ConsumerId consumer, Offset from, Offset to, Refused refused,
           Effects* effects, Offset all_from = Offset(0));
  // Of a delivery under `epoch`; refuses what was delivered again since. `retry_at`: when the
  // events come again. In a STREAM about the first of them, and takes the partition back to it.
  void Retry(const DeliveryRules& rules, ConsumerId consumer, uint64_t epoch, Offset from,
             Offset to, absl::FunctionRef<int64_t(uint32_t attempts)> retry_at, int64_t now,
             absl::string_view reason, Refused refused, Effects* effects, size_t* left = nullptr);
  void Park(ConsumerId consumer, Offset from, Offset to, absl::string_view reason, Refused refused,
            Effects* effects);
  void Skip(ConsumerId consumer, Offset from, Offset to, Refused refused, Effects* effects);
  void Extend(ConsumerId consumer, Offset from, Offset to, int64_t due, Refused refused,
              Effects* effects);

  // How many ranges a sweep looks at while the mutex is held: less than 1 ms.
  static constexpr size_t kMaxSwept = 2'000;
  // Whether there is more to be swept, and whether that has to be before anything is delivered: a
  // STREAM would be out of order, or more than the limit of attempts be made.
  bool sweeping() const { return !sweeps_.empty() || !discarded_.empty(); }
  bool blocked_by_sweep() const;
  // Continues the sweeps. Operations with a `left` look at no more than that many ranges, subtract
  // what they looked at, and leave the rest to a sweep. Null: no limit.
  void SweepOn(const DeliveryRules& rules, size_t* left, Effects* effects);

  // Takes all that a consumer has back, without its having said a word. That is a failed attempt of
  // what it may have been at: all of it in a QUEUE, the first live event and the first extra one in
  // a STREAM.
  void Fail(const DeliveryRules& rules, ConsumerId consumer, absl::string_view why,
            Effects* effects, size_t* left = nullptr);
  // Takes all that a consumer has back, for a reason that lies with none of the events.
  void Recall(const DeliveryRules& rules, ConsumerId consumer, Effects* effects,
              size_t* left = nullptr);
  // Has what is to be delivered alone go with the others.
  void EndIsolation(const DeliveryRules& rules, size_t* left = nullptr);
  // Events that are to be delivered alone, and are not on their way to go with the others.
  int64_t WaitingAlone() const;
  // Takes back what is over, and makes ready what waited long enough. What there is more than is
  // left is due still.
  void Expire(const DeliveryRules& rules, int64_t now, Effects* effects, size_t* left = nullptr);
  // To be called after loading, and after a change of the rules: parks what has no attempts left.
  // If the limit was lowered, what failed without a word has one more, alone: it may have failed
  // for another's fault. What waits for a retry does so from here on; but with ordered_by_key its
  // key is not known after a restart, so it is a candidate once, to be admitted and blocked, lest
  // its key go on without it.
  void ParkExhausted(const DeliveryRules& rules, bool lowered, absl::string_view why,
                     Effects* effects, size_t* left = nullptr);

  // A commit is visible that has the change.
  void Complete(const CommitChange& change, Effects* effects);

  // What was parked is in the dead-letter topic; or was not put there, and is to come again.
  void FinishParking(Offset start, uint32_t count, Effects* effects);
  // What was parked is nowhere any more.
  void LoseParked(Offset event, Effects* effects);
  void AbandonParking(Offset start, uint32_t count, int64_t retry_at, absl::string_view why);

  // Forgets what retention has removed.
  void DropTrimmed(Effects* effects);
  // Forgets a redriven event whose copy is gone too. It counts as lost, for it will not come.
  void DropRedriven(Offset event, Effects* effects);

  // Moving.

  // What was replayed or redriven before `to` still comes. To be followed by DropTrimmed.
  void Seek(const DeliveryRules& rules, Offset to, Effects* effects);
  // Forgets what lies behind the end of a log that lost unsynced events.
  void CutTo(Offset end);
  // Adds unsettled events before `next`; after Seek. Live, even if they were replayed or redriven;
  // but for those that are left in the copies of dead letters only.
  void AddPending(const DeliveryRules& rules, Offset start, int64_t count, uint32_t attempts,
                  bool silent);
  // Adds what is settled of [from, to) as extra; returns how many events that is.
  int64_t AddReplay(Offset from, Offset to, Effects* effects);
  int64_t CountReplay(Offset from, Offset to) const;
  // Ends what is replayed of [from, to) and not at a consumer; returns how many events that is.
  int64_t CancelReplays(Offset from, Offset to, Effects* effects);
  // Adds one event. False, with nothing changed, if it is still to come with the live ones: these
  // go by the filter, and may be trimmed before.
  bool AddRedriven(Offset event, const DeadLetterPlace& place, Effects* effects);

  // The store. `wall_offset`: what the wall clock has more than the monotonic.

  bool dirty() const { return dirty_ || pending_.dirty(); }
  // What was passed alone is not worth a write of its own: after a crash it is passed again.
  bool passed() const { return passed_; }
  void KeepPassed() { dirty_ |= std::exchange(passed_, false); }
  void Flush(SubscriptionId subscription, int64_t wall_offset, CommitBuilder& commit);
  void Load(const stored::Cursor& cursor);
  // After the cursor, ranges in their order. False, with nothing changed, if it cannot be one.
  bool Load(Offset start, const stored::Range& range, int64_t wall_offset, int64_t now);

 private:
  using Verdict = PendingRanges::Verdict;
  using RedrivenPlaces = absl::btree_map<int64_t, DeadLetterPlace>;

  struct Sweep {
    enum class Kind : uint8_t {
      kFail,    // The leases of the consumers fail.
      kBlame,   // STREAM: those of the first live event and of the first extra one do; the others
                // are taken back.
      kRecall,  // They are taken back.
      kRewind,  // Those of live events are.
      kLimits,  // See ParkExhausted.
      kJoin,    // See EndIsolation.
    };

    Kind kind;
    absl::flat_hash_set<ConsumerId> consumers;  // Whose leases end.
    SharedText why;
    bool lowered = false;
    bool blocks = false;  // What is delivered would be wrong before it is done.
    bool begun = false;
    bool live_blamed = false;
    bool extra_blamed = false;
    Offset at{0};  // What lies before is done.

    bool ends_leases() const { return kind <= Kind::kRewind; }
  };

  void Begin(const DeliveryRules& rules, Sweep sweep, size_t* left, Effects* effects);
  Verdict SweepOver(const DeliveryRules& rules, const Sweep& sweep, Offset start,
                    PendingRange& range, Effects* effects);
  Verdict CheckLimits(const DeliveryRules& rules, const Sweep& sweep, Offset start,
                      PendingRange& range, Effects* effects);
  // Fails what the consumer may have been at, if it lies before `end`.
  void Blame(const DeliveryRules& rules, Sweep& sweep, Offset end, Effects* effects);
  // Frees what a seek discarded, and gives back the credit that it used.
  void FreeDiscarded(size_t* left, Effects* effects);

  // STREAM: whether an event, live or extra, is out for the last time.
  bool LastAttemptIsOut(const DeliveryRules& rules, bool extra) const;
  int64_t CountLeased(bool extra) const;
  // STREAM: whether an ack of [from, to) is of something, and of nothing that is to come again.
  bool IsOut(bool exact, Offset from, Offset to) const;
  std::optional<Candidate> FirstExtra() const;
  // STREAM: what is to be delivered alone, in its order.
  std::optional<Candidate> FirstAlone() const;
  // STREAM: leaves of a candidate what may be out together; see `window_`.
  std::optional<Candidate> Narrow(Candidate candidate) const;
  bool MayTakeUp(const DeliveryRules& rules, PendingRanges::Map::const_iterator range) const;
  // What of [from, to) is not pending, or settling.
  std::vector<std::pair<Offset, Offset>> Gaps(Offset from, Offset to) const;
  // Nothing overtakes what waits for a retry.
  std::optional<Candidate> FirstInOrder(const DeliveryRules& rules) const;
  std::optional<Candidate> Fresh(const DeliveryRules& rules) const;
  Candidate MakeCandidate(PendingRanges::Map::const_iterator it) const;
  // Events of a candidate were delivered, or left out.
  void NoteTakenUp(const Candidate& candidate);
  // Edits what of [from, to) the consumer has; refuses the rest.
  void EditLeased(ConsumerId consumer, Offset from, Offset to, Refused refused, Effects* effects,
                  PendingRanges::Edit edit);
  void Release(const PendingRange& range, Effects* effects);
  void Settle(Offset start, PendingRange& range, Effects* effects);
  void AddComing(Offset start, int64_t count, PendingRange range, Effects* effects);
  // An attempt failed: makes a range wait for the next one, or for its end. `heard`: its consumer
  // said so. If not, another event that the consumer had may be to blame: so that none goes for
  // another's fault, the last attempt is made alone. One that was the last, and was not to be made
  // alone, is made again.
  void Requeue(const DeliveryRules& rules, Offset start, PendingRange& range, bool heard,
               int64_t ready_at, int64_t now, absl::string_view reason, Effects* effects);
  // Makes a range ready again whose attempt does not count.
  void TakeBack(Offset start, PendingRange& range, Effects* effects);
  // The range is at no consumer any more, and the attempt does not count.
  static void MakeReady(PendingRange& range);
  void AddPlace(Offset event, const DeadLetterPlace& place);
  // What a seek makes of an extra range that still comes.
  void KeepExtra(const DeliveryRules& rules, PendingRange& range, Effects* effects);
  // A seek removes all that lies at or behind `comes_anyway`, and live ranges before it. The second
  // one does so for any number of ranges; it looks at the extra ones only.
  void RemoveForSeek(const DeliveryRules& rules, Offset comes_anyway, Effects* effects);
  void DiscardForSeek(const DeliveryRules& rules, Offset comes_anyway, Effects* effects);
  void StartParking(Offset start, PendingRange& range, absl::string_view reason, Effects* effects);
  // To be called for what was removed, outside of an edit.
  void Forget(const std::vector<std::pair<Offset, uint32_t>>& removed, Effects* effects);
  // Whether there is anything in [from, to) that a trim removes.
  bool HasTrimmed(Offset from, Offset to, Effects* effects) const;
  // A trim may remove a range at `start`, which it did not before.
  void NoteTrimmable(Offset start) { trimmed_to_ = std::min(trimmed_to_, start); }
  KeyOrder& keys();
  // Ranges often have the same one: of a service that is down, of a batch that failed.
  SharedText Reason(absl::string_view reason);

  PartitionLog* log_;
  Offset next_;
  uint64_t epoch_ = 0;
  uint64_t first_epoch_ = 0;
  uint64_t lost_ = 0;
  uint64_t lost_in_commit_ = 0;  // Of these, by commits that are not visible yet.
  bool dirty_ = false;
  bool passed_ = false;  // Behind `next_`, since it was written last.
  PendingRanges pending_;
  // What is pending before it was not removed by a trim, though the log may begin after it.
  Offset trimmed_to_{0};
  std::vector<std::unique_ptr<DiscardedRanges>> discarded_;  // By seeks.
  std::vector<Sweep> sweeps_;  // Under way, the first one; the others after it.
  // STREAM: how many live events before `suspects_end_` may be out together. A consumer that goes
  // away without a word may have died of any that it had: half as many of these are out the next
  // time, so that the one to blame is the first that is out after a few deaths.
  int64_t window_ = std::numeric_limits<int64_t>::max();
  Offset suspects_end_{0};
  SharedText last_reason_;
  // QUEUE: live events that were never taken up come before those that were, and the other way
  // round, in turn: lest what fails again and again keep all others waiting.
  bool fresh_turn_ = false;
  // With ordered_by_key: no live event is ready whose key was not seen since the start or the last
  // seek. Else it might be overtaken by one of its key that was never taken up.
  bool all_known_ = false;
  std::unique_ptr<KeyOrder> keys_;  // With ordered_by_key.
  // Of redriven events, where their copies are.
  std::unique_ptr<RedrivenPlaces> redriven_;
};

}  // namespace eventhub
