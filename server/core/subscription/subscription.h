// A durable subscription: distributes the events of a topic to its consumers, and stores their
// progress.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/alarm.h"
#include "server/core/read/topic_reader.h"
#include "server/core/subscription/cursor/commit_changes.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/consumer_group.h"
#include "server/core/subscription/dispatch/delivery_budget.h"
#include "server/core/subscription/dispatch/delivery_rates.h"
#include "server/core/subscription/dispatch/event_choices.h"
#include "server/core/subscription/dispatch/event_source.h"
#include "server/core/subscription/dispatch/settle_queue.h"
#include "server/core/subscription/dispatch/settlement.h"
#include "server/core/subscription/records.pb.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/work_pool.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"
#include "storage/watermark.h"

namespace eventhub {

class ParkingQueue;

// The dependencies of subscriptions; outlives them.
struct SubscriptionContext {
  const LogStore& store;
  LogWriter& writer;
  const Clock& clock;
  const TopicCatalog& topics;
  ReadCounters& reads;
  Alarm& alarm;
  ParkingQueue& parking;              // Of events that become dead letters.
  std::atomic<uint64_t>& next_epoch;  // Of leases; also grows across restarts.
  uint64_t generation;                // The number of times the store was opened; starts at 1.
  MemoryMeter& pending_memory;        // Of pending ranges.
  MemoryMeter& filter_memory;         // Of filters, compiled.
};

struct PartitionRange {
  PartitionId partition;
  Offset start;
  Offset end;  // Exclusive.
};
using PartitionRanges = std::vector<PartitionRange>;

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

// Thread-safe. All changes are made under one mutex: deliveries by the threads that serve
// consumers, settlements and moves by the commit thread, in the order of commits. Changes are
// written with the commit in progress, once per commit (CommitHook).
//
// The commit thread decides which events are settled. Others (reports, the next event of a key, the
// next owner of a partition) see it together with the rest of the commit, when that is visible
// (TakeVisible). Only credit is returned immediately.
//
// A consumer is woken whenever what it may do changes, after the mutex is released. The mutex is
// held neither while a filter runs nor while the disk is read (EventSource).
class Subscription final : public CommitHook,
                           public AlarmTarget,
                           public std::enable_shared_from_this<Subscription>,
                           private Watermark::Waiter {
 public:
  enum class Step {
    kFrame,  // The frame is not empty.
    kCold,   // The next events are on disk only: call ReadCold where blocking is allowed.
    kWait,   // Nothing to do now; the consumer is woken when there may be.
    kEnd,    // The consumer has left; see Leave.
  };

  struct Counters {
    uint64_t delivered_events = 0;
    uint64_t delivered_bytes = 0;
    uint64_t redelivered_events = 0;
    uint64_t acked = 0;
    uint64_t nacked = 0;
    uint64_t skipped = 0;
    uint64_t expired = 0;
    uint64_t dead_lettered = 0;
    int64_t open_dead_letters = 0;  // A gauge, not a counter.
    uint64_t filtered = 0;
    absl::Time last_ack = absl::InfinitePast();
  };

  Subscription(const SubscriptionContext& context, SubscriptionId id, std::shared_ptr<Topic> topic,
               const stored::Subscription& record);
  ~Subscription() override;

  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  SubscriptionId id() const { return id_; }
  // Identifies this subscription among all of its name, past and future, of all hubs; not 0.
  uint64_t incarnation() const { return incarnation_; }
  const std::string& name() const { return name_; }
  const std::shared_ptr<Topic>& topic() const { return topic_; }
  // As of the last visible commit.
  v1::Subscription settings() const;

  // ---- Consumers. One thread at a time calls Poll and ReadCold of a consumer. The caller keeps
  // the consumer until Close.

  // `first` is the request that opens the stream.
  std::shared_ptr<Consumer> Open(ConsumerOptions options, const v1::ConsumeRequest& first);

  // Fills an empty frame from memory. Never blocks. NOT_FOUND: the subscription was deleted.
  absl::StatusOr<Step> Poll(Consumer& consumer, ConsumeFrame* frame, size_t room);

  // Fills an empty frame from the disk, after Poll returned kCold; it may stay empty. A partition
  // that cannot be read is retried later, see ReadFailures.
  void ReadCold(Consumer& consumer, ConsumeFrame* frame, size_t room);

  void SetCredit(Consumer& consumer, const v1::Credit& credit);
  // Stops deliveries. Poll ends when all events in flight are settled; with `at_once`, when all
  // requests are.
  void Leave(Consumer& consumer, bool at_once);

  // Carries out the acks, nacks and extensions of a request; the Settlement is sent with the
  // consumer's notices.
  void Settle(const std::shared_ptr<Consumer>& consumer, v1::ConsumeRequest request);

  // Whether the consumer has too many unsettled requests to send more.
  bool Overloaded(const Consumer& consumer) const;

  // Why a consumer is disconnected.
  enum class Ended {
    kByConsumer,  // Its attempts failed.
    kByHub,       // The hub is stopping: no attempt failed.
  };
  // Ends all leases of the consumer. It is not woken after this.
  void Close(Consumer& consumer, Ended ended);

  // ---- Commit thread.

  // Carries out a request, continuing where the last call ended. Returns true if it is done; false
  // if `left` is used up. Adds the events that must be parked before the request is settled.
  bool SettleIn(CommitBuilder& commit, Settling& settling, size_t* left);
  SettleQueue& settle_queue() { return settle_queue_; }
  // Carries out the acks of a transaction; none of them if any event is not leased to the consumer
  // of that session (ABORTED).
  absl::Status AckAll(CommitBuilder& commit, const v1::TransactAcks& acks);
  // Sends the outcome of a settlement to the consumer. On any thread.
  void Settled(const std::shared_ptr<Consumer>& consumer, v1::Settlement settlement);

  // Whether the event is waiting to be parked; see FinishParking.
  bool IsParking(PartitionId partition, Offset event) const;
  // `dead_letter`: it is in the dead-letter topic now; otherwise it is lost.
  void FinishParking(CommitBuilder& commit, PartitionId partition, Offset event, bool dead_letter);
  void AbandonParking(PartitionId partition, Offset event, absl::string_view why);

  // The settings as of the last change submitted, which may not be visible yet.
  const v1::Subscription& pending_settings() const { return pending_record_->record.settings(); }
  // Replaces the settings; takes effect when the commit is visible.
  void Apply(CommitBuilder& commit, const v1::Subscription& settings);
  void SetReplayRate(CommitBuilder& commit, const v1::RateLimit& limit);

  // The new position of a partition, with the unsettled ranges before it.
  struct Place {
    PartitionId partition;
    Offset next;
    bool named = false;                              // The request names this offset.
    std::vector<stored::SnapshotPartition> pending;  // None or one.
  };
  void Seek(CommitBuilder& commit, const std::vector<Place>& places);
  // Work on ranges of partitions; it may take several commits.
  struct RangeWork {
    bool done() const { return range == ranges.size(); }

    PartitionRanges ranges;
    size_t range = 0;  // The next range.
    Offset from{0};    // The next offset in it.
    int64_t events = 0;
    std::optional<uint64_t> begun;  // The number of ends of replays when the work began.
  };
  // Add the settled events of the ranges to the replay, or end their replay, as far as one commit
  // may; count the events.
  void Replay(CommitBuilder& commit, RangeWork& work);
  void CancelReplays(CommitBuilder& commit, RangeWork& work);
  // Returns whether the event was added: see PartitionCursor::AddRedriven.
  bool Redrive(CommitBuilder& commit, PartitionId partition, Offset event,
               const DeadLetterPlace& place);
  bool IsToCome(PartitionId partition, Offset event) const;
  stored::Snapshot TakeSnapshot() const;

  // Writes the record; Touch sets the time of last use in it, too.
  void PutRecord(CommitBuilder& commit) const;
  void Touch(CommitBuilder& commit);

  // The number of open dead letters, including the changes of commits that are not visible yet.
  int64_t pending_dead_letters() const { return pending_dead_letters_; }
  // Counts dead letters that the commit closes.
  void NoteClosed(CommitBuilder& commit, int64_t dead_letters);
  // Dead letters that the commit in progress redrives or discards.
  absl::flat_hash_set<std::string>& closing_dead_letters() { return closing_dead_letters_; }
  // Topics to which the commit in progress adds dead letters.
  absl::flat_hash_set<TopicId>& opened_letters_in() { return opened_letters_in_; }
  // Keys of snapshots that the commit in progress creates (true) or deletes.
  absl::flat_hash_map<std::string, bool>& changed_snapshots() { return changed_snapshots_; }
  // Whether the deletion was submitted, which may not be visible yet.
  bool closing() const { return closing_; }
  void set_closing() { closing_ = true; }

  void BeforeWrite(CommitBuilder& commit) override;
  void OnVisible() override;

  // ---- Any thread.

  // Its consumers end with NOT_FOUND.
  void SetDeleted();
  void OnAlarm() override;

  // Limits the ranges to the events that were delivered.
  void CutToDelivered(PartitionRanges& ranges);

  // The partitions with replayed events, as ranges.
  PartitionRanges Replays() const;
  // The number of events that a replay of the ranges would add.
  int64_t CountReplay(const PartitionRanges& ranges);

  // The changes that a move to these places would cause.
  std::vector<v1::PartitionMove> DescribeMoves(const std::vector<Place>& places);

  // A consistent view: an event that a commit moves from one state to another is in exactly one.
  struct Report {
    std::vector<CursorState> cursors;
    Counters counters;
  };
  Report MakeReport();
  // Lowers each to the first unsettled event of this subscription, including replays and redrives;
  // to the start of the log for a partition without a cursor.
  void LowerTo(std::vector<NeededFrom>& needed) const;
  std::vector<v1::ConsumerInfo> Consumers() const;
  // The number of events to be delivered in isolation.
  int64_t WaitingAlone() const;
  // Descriptions of partitions whose next events could not be read.
  std::vector<std::string> ReadFailures() const;
  // The number of times that the filter exceeded its limit since it was set: see
  // FilterResult::kTooCostly.
  uint64_t TooCostly() const;
  // Whether the rate limit currently blocks deliveries.
  bool RateLimited();
  size_t consumer_count() const;
  absl::Time last_used() const;
  // See PartitionCursor; over all partitions.
  std::optional<Offset> FirstRedrivenFrom(TopicId topic,
                                          std::optional<PartitionId> partition) const;

  // Whether it has, or ever had, dead letters; true before the first one is visible.
  bool may_have_letters() const { return may_have_letters_.load(std::memory_order_seq_cst); }
  void set_may_have_letters() { may_have_letters_.store(true, std::memory_order_seq_cst); }

  // ---- Before it is shared.

  // All cursors first, then the ranges in order. DATA_LOSS: a record is invalid.
  absl::Status LoadCursor(PartitionId partition, const stored::Cursor& cursor);
  absl::Status LoadRange(PartitionId partition, Offset start, const stored::Range& range);
  // Counts one dead letter.
  void LoadDeadLetter();
  // Sets the initial positions; written with the next commit.
  void Start(const std::vector<Offset>& next);
  // Called last.
  void FinishLoading();

 private:
  // Work to be done after the mutex is released; see CarryOut.
  struct Aftermath {
    Aftermath() = default;
    explicit Aftermath(const CommitBuilder& builder) : commit(builder.number()) {}

    int64_t commit = 0;  // The commit that the operation is part of; 0: none.
    ConsumerGroup::WakeList wake;
    std::vector<Parked> park;
    bool flush = false;
    bool await_visible = false;  // Call OnVisible when all written commits are visible.
    int64_t alarm = INT64_MAX;
  };
  void Wake() override;  // The topic has new events.

  void AddCursors() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Applies the changes of commits that are visible now. Call it before reading cursors.
  void TakeVisible(Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const CommitChanges::Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Called before that commit moves the cursor.
  void NoteMove(const PartitionCursor& cursor, int64_t commit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Removes the moves of a partition up to that commit.
  void ForgetMoves(PartitionId partition, int64_t visible) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes the record with the commit; it takes effect when the commit is visible.
  void SetPending(CommitBuilder& commit, SubscriptionRecord record);
  // Uses the record from here on.
  void TakeOver(SubscriptionRecordPtr record, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Blocks deliveries from the cursor, and notices about it, until that commit is visible.
  void Hold(PartitionCursor& cursor, int64_t commit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  using RangeChange =
      absl::FunctionRef<int64_t(PartitionCursor&, Offset from, Offset to, Effects* effects)>;
  void ChangeRanges(CommitBuilder& commit, RangeWork& work, RangeChange change);
  // Applies the effects of an operation on a cursor.
  void Conclude(PartitionCursor& cursor, Effects& effects, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Schedules the cursor to be written with the next commit of the subscription.
  void MarkDirty(const PartitionCursor& cursor) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropTrimmed(PartitionCursor& cursor, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetAlarm(int64_t due, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // There may be events to deliver. QUEUE: wakes one consumer, which wakes the next. STREAM: all.
  void WakeForEvents(Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notifies all consumers of a new ack deadline.
  void NoteAckDeadline() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A request arrived from the consumer: it is not stalled.
  void MarkResponsive(Consumer& consumer, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CarryOut(Aftermath after);
  // The same for changes that are part of a commit, and are written with it.
  void CarryOutIn(CommitBuilder& commit, Aftermath after);
  void Flush();
  // Ends the registration with the topic, during which it keeps itself alive.
  void Unregister() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notifies consumers that their leases of the partition ended.
  void NoteMoved(PartitionCursor& cursor, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The state as of a commit that is not visible yet; -1: as of the visible ones. `settled`: the
  // live events that this commit, and those before it that are not visible, settle.
  CursorState StateOf(const PartitionCursor& cursor, int64_t commit = -1, int64_t settled = 0) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The state to report until a move is visible; null if there is no move.
  const CursorState* Unmoved(PartitionId partition) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CursorState VisibleStateOf(const PartitionCursor& cursor) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string NameOf(ConsumerId consumer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // OK if all of `ack` would be accepted. Examines at most `*left` pending ranges, and subtracts
  // the number examined.
  absl::Status CheckAck(const Consumer& consumer, const v1::Ack& ack, size_t* left) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Delivery.
  enum class Fill { kNothing, kSome, kFull, kCold };
  // What a consumer without deliveries is waiting for.
  enum class Want { kEvents, kDisk, kNothing };
  bool MayDeliver(const Consumer& consumer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // QUEUE: whether the consumer is stalled and others can take the events.
  bool GivesWay(const Consumer& consumer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the rate limit allows deliveries; if not, sets an alarm for the time when it does.
  bool RateAllows(int64_t now, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  DeliveryBudget BudgetOf(const Consumer& consumer, int64_t now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Want FillFrame(Consumer& consumer, int64_t now, ConsumeFrame* frame, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Isolated deliveries.
  enum class Isolation { kNone, kDeliver, kDrain };
  // Called when the number of isolated events of a partition may have changed.
  void NoteAlone(const PartitionCursor& cursor, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndIsolation(size_t* left, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Isolation IsolationOf(const Consumer& consumer, int64_t now, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PartitionCursor* FindAlone(const Consumer& consumer, int64_t now, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Fill DeliverAlone(Consumer& consumer, int64_t now, ConsumeFrame* frame, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Fill Deliver(Consumer& consumer, int64_t now, ConsumeFrame* frame, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteDelivered(const PartitionCursor& cursor, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Fill DeliverFrom(PartitionCursor& cursor, Consumer& consumer, int64_t now, DeliveryBudget& budget,
                   ConsumeFrame* frame, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Admit(Candidate& candidate, int64_t now, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The cursor was served: moves it to the end of the turns.
  void EndTurn(PartitionCursor& cursor) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    turns_.splice(turns_.end(), turns_, cursor.turn);
  }
  // One look for events for a consumer; nullopt: events from memory must be matched first
  // (DeliverFetched).
  absl::StatusOr<std::optional<Step>> Look(Consumer& consumer, ConsumeFrame* frame,
                                           bool may_look_through);
  // Carries out the fetch of a consumer, up to `max_work`, and delivers the result. Returns the
  // work. `last`: if the next event is too large, the consumer waits for credit.
  size_t DeliverFetched(Consumer& consumer, ConsumeFrame* frame, size_t max_work, bool last);
  // Delivers the part of the fetched events that is still next in the cursor.
  void DeliverIfNext(PartitionCursor& cursor, Consumer& consumer, const EventFetch& fetch,
                     const FetchedEvents& fetched, bool last, ConsumeFrame* frame, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a fetch still matches what the cursor delivers next to the consumer, and how.
  bool IsNext(const PartitionCursor& cursor, const Consumer& consumer, const EventFetch& fetch,
              const std::optional<Candidate>& next) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets what the consumer must fetch: from disk, or, with batches, events to be matched. Nothing
  // else is delivered from the cursor meanwhile.
  void AskForFetch(PartitionCursor& cursor, Consumer& consumer, const Candidate& candidate,
                   const ConsumeFrame& frame, std::vector<RecordBatchPtr> batches = {})
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Fill DeliverCandidate(PartitionCursor& cursor, Consumer& consumer, const Candidate& candidate,
                        DeliveryBudget& budget, ConsumeFrame* frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `choices`: null if the events are delivered without matching.
  Fill DeliverBatches(PartitionCursor& cursor, Consumer& consumer, const Candidate& candidate,
                      const std::vector<RecordBatchPtr>& batches, const EventChoices* choices,
                      DeliveryBudget& budget, ConsumeFrame* frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DeliverRun(PartitionCursor& cursor, Consumer& consumer, const Candidate& candidate,
                  Delivery run, DeliveryBudget& budget, ConsumeFrame* frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the filter applies to the candidate; whether its events must be matched one by one.
  bool Filters(const Candidate& candidate) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool EachIsChosen(const Candidate& candidate) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return rules_.ordered_by_key || Filters(candidate);
  }
  // Delivers the chosen events of a slice within the budget; returns the offset of the first event
  // not handled.
  using ChoiceOf = absl::FunctionRef<const EventChoices::Event&(Offset event)>;
  Offset DeliverChosen(PartitionCursor& cursor, Consumer& consumer, const Candidate& candidate,
                       const Delivery& slice, ChoiceOf choice_of, DeliveryBudget& budget,
                       ConsumeFrame* frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  enum class Choice { kDeliver, kBlock, kPass };
  Choice Choose(PartitionCursor& cursor, const EventChoices::Event& event, Offset offset)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveOut(PartitionCursor& cursor, const Candidate& candidate, Offset event, Choice choice,
                DeliveryBudget& budget) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PassOver(PartitionCursor& cursor, const Candidate& candidate, Offset from, Offset to,
                DeliveryBudget& budget) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Records the outcome of a read from disk.
  void NoteRead(PartitionCursor& cursor, const Candidate& candidate, const absl::Status& status,
                Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether events may be taken from the cursor: it is neither busy nor held, and no failed read or
  // deletion blocks it.
  bool MayRead(const PartitionCursor& cursor, int64_t now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool TakeNotices(Consumer& consumer, ConsumeFrame* frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteCaughtUp(Consumer& consumer, ConsumeFrame* frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AtHead(const Consumer& consumer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Arm(Consumer& consumer, int64_t seen, bool wants_events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Assignment (STREAM).
  // Adds new partitions, then distributes all of them.
  void Rebalance(Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Reassign(Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Assign(PartitionCursor& cursor, ConsumerId owner, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteAssigned(PartitionCursor& cursor, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the owner's lease, and its deliveries in flight. `failed`: why this is a failed attempt;
  // empty if it is not. `left`: pending ranges that may be examined; a sweep handles the rest.
  void Revoke(PartitionCursor& cursor, absl::string_view failed, size_t* left, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartDraining(PartitionCursor& cursor, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RevokeOverdue(int64_t now, size_t* left, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Settling.
  // The cursor of a part of a request; null, with the rest of the part refused, if the consumer
  // does not hold it.
  template <typename Part>
  PartitionCursor* FindLeased(const Consumer& consumer, const Part& part, SettleWork& work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // These return whether the part is done.
  bool AckIn(Consumer& consumer, const v1::Ack& ack, SettleWork& work, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Counted when the commit is visible.
  void NoteSettled(const Consumer& consumer, const Effects& effects, int64_t commit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool NackIn(Consumer& consumer, const v1::Nack& nack, SettleWork& work, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteRewound(Consumer& consumer, const PartitionCursor& cursor, Offset to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool ExtendIn(Consumer& consumer, const v1::LeaseExtension& extension, SettleWork& work,
                Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t Backoff(uint32_t attempts) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const v1::Subscription& visible_settings() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return record_->record.settings();
  }
  // Null: none.
  const std::shared_ptr<const EventFilter>& filter() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return record_->filter;
  }
  int64_t Now() const { return absl::ToInt64Microseconds(context_.clock.Monotonic()); }
  int64_t WallOffset() const;
  void SetRules(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SubscriptionContext& context_;
  const SubscriptionId id_;
  const uint64_t incarnation_;
  const std::string name_;
  const std::shared_ptr<Topic> topic_;
  const EventSource source_;
  const absl::Time loaded_;
  SettleQueue settle_queue_;
  std::atomic<bool> may_have_letters_{false};

  // Commit thread only.
  SubscriptionRecordPtr pending_record_;  // As of the last change submitted.
  // The number of seeks and of calls that end all replays. A replay that is added over several
  // commits ends at the next of them.
  uint64_t replay_ends_ = 0;
  bool closing_ = false;
  int64_t pending_dead_letters_ = 0;
  absl::flat_hash_set<std::string> closing_dead_letters_;
  absl::flat_hash_set<TopicId> opened_letters_in_;
  absl::flat_hash_map<std::string, bool> changed_snapshots_;

  mutable Mutex mutex_;
  SubscriptionRecordPtr record_ ABSL_GUARDED_BY(mutex_);  // As of the last visible commit.
  int64_t last_used_micros_ ABSL_GUARDED_BY(mutex_);
  DeliveryRules rules_ ABSL_GUARDED_BY(mutex_);
  bool deleted_ ABSL_GUARDED_BY(mutex_) = false;
  // Indexed by partition.
  std::vector<std::unique_ptr<PartitionCursor>> cursors_ ABSL_GUARDED_BY(mutex_);
  // Cursors in the order in which they were served, the least recent first: each cursor with events
  // is served before any other is served twice, whichever consumers connect and disconnect. Each
  // start of the hub begins with a different cursor.
  std::list<size_t> turns_ ABSL_GUARDED_BY(mutex_);
  std::vector<size_t> dirty_ ABSL_GUARDED_BY(mutex_);  // Cursors to be written.
  CommitChanges in_commit_ ABSL_GUARDED_BY(mutex_);
  std::vector<size_t> held_ ABSL_GUARDED_BY(mutex_);  // Cursors with a `held_until`.
  // The state of a cursor to report until `commit` is visible: a move of the cursor, or a commit
  // before the first move that settles events.
  struct Move {
    int64_t commit;
    CursorState before;
  };
  // By partition, in the order of commits; never empty. These cursors are held.
  absl::flat_hash_map<PartitionId, std::vector<Move>> moves_ ABSL_GUARDED_BY(mutex_);
  int64_t read_after_ ABSL_GUARDED_BY(mutex_) = 0;  // The maximum over all cursors.
  bool flush_queued_ ABSL_GUARDED_BY(mutex_) = false;
  ConsumerGroup consumers_ ABSL_GUARDED_BY(mutex_);
  Counters counters_ ABSL_GUARDED_BY(mutex_);
  DeliveryRates rates_ ABSL_GUARDED_BY(mutex_);
  // When isolation ends; INT64_MAX if no events are isolated.
  int64_t join_due_ ABSL_GUARDED_BY(mutex_) = INT64_MAX;
  int64_t alarm_due_ ABSL_GUARDED_BY(mutex_) = INT64_MAX;
  // The cursor with which the next alarm starts, since the last one ran out of budget before it.
  size_t first_swept_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set while the topic may wake this subscription.
  std::shared_ptr<Subscription> registered_ ABSL_GUARDED_BY(mutex_);
  // For jitter; a better generator would be half the size of an idle subscription.
  std::minstd_rand random_ ABSL_GUARDED_BY(mutex_);
  std::vector<RecordBatchPtr> batches_ ABSL_GUARDED_BY(mutex_);  // Scratch.
};

}  // namespace eventhub
