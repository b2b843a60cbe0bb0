// A durable subscription: distributes the events of a topic to its consumers, and stores their
// progress.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/alarm.h"
#include "server/core/subscription/cursor/commit_changes.h"
#include "server/core/subscription/cursor/cursor_set.h"
#include "server/core/subscription/cursor/long_changes.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/aftermath.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/consumer_group.h"
#include "server/core/subscription/dispatch/dispatch_context.h"
#include "server/core/subscription/dispatch/event_source.h"
#include "server/core/subscription/dispatch/frame_filler.h"
#include "server/core/subscription/dispatch/scheduler.h"
#include "server/core/subscription/dispatch/settle_queue.h"
#include "server/core/subscription/dispatch/settler.h"
#include "server/core/subscription/dispatch/subscription_counters.h"
#include "server/core/subscription/records.pb.h"
#include "server/core/subscription/submitted_state.h"
#include "server/core/subscription/subscription_context.h"
#include "server/core/topic/topic.h"
#include "storage/base/mutex.h"
#include "storage/log_writer.h"
#include "storage/watermark.h"

namespace eventhub {

// Thread-safe. All changes are made under one mutex: deliveries by the threads that serve
// consumers, settlements and moves by the commit thread, in the order of commits. The parts, each
// of which can be read alone, and which the mutex guards:
//
//   CursorSet      what is settled in each partition, and what waits for a commit
//   ConsumerGroup  who is connected, with which credit, and who is woken next
//   Scheduler      who gets events of which partition: QueueScheduler or StreamScheduler
//   FrameFiller    the next events of a consumer
//   Settler        acks, nacks and extensions
//
// SubmittedState needs no mutex: only the commit thread uses it.
//
// This class ties them to the commits, the topic and the alarm. Changes are written with the commit
// in progress, once per commit (CommitHook). The commit thread decides which events are settled.
// Others (reports, the next event of a key, the next owner of a partition) see it together with the
// rest of the commit, when that is visible (TakeVisible). Only credit is returned immediately.
//
// Lock order: this mutex, then one of those of the topic, its watermark, and the tails of its
// partitions. Whatever calls back, wakes a consumer or submits a task is collected (Aftermath), and
// done after the mutex is released (Perform). The mutex is held neither while a filter runs nor
// while the disk is read (EventSource).
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

  // Fills an empty frame from the disk, after Poll returned kCold; it may stay empty. Takes about
  // FetchTurn::kMaxTime, whatever the disk holds. A partition that cannot be read is retried later,
  // see Report.
  void ReadCold(Consumer& consumer, ConsumeFrame* frame, size_t room);

  void SetCredit(Consumer& consumer, const v1::Credit& credit);
  // Stops deliveries. Poll ends when all events in flight are settled; with `at_once`, when all
  // requests are.
  void Leave(Consumer& consumer, bool at_once);

  // Carries out the acks, nacks and extensions of a request; the Settlement is sent with the
  // consumer's notices.
  void Settle(const std::shared_ptr<Consumer>& consumer, v1::ConsumeRequest request);

  // Whether the consumer has too many unsettled requests, or too many bytes of them, to send more.
  bool Overloaded(const Consumer& consumer) const;

  // Why a consumer is disconnected.
  enum class Ended {
    kByConsumer,  // Its attempts failed.
    kByHub,       // The hub is stopping: no attempt failed.
  };
  // Ends all leases of the consumer. It is not woken after this.
  void Close(Consumer& consumer, Ended ended);

  // ---- Commit thread.

  SubmittedState& submitted() { return submitted_; }

  // Carries out a request, continuing where the last call ended. Returns true if it is done; false
  // if `left` is used up. Adds the events that must be parked before the request is settled.
  bool SettleIn(CommitBuilder& commit, Settling& settling, size_t* left);
  SettleQueue& settle_queue() { return settle_queue_; }
  // Carries out the acks of a transaction; none of them if any event is not leased to the consumer
  // of that session (ABORTED).
  absl::Status AckAll(CommitBuilder& commit, const v1::TransactAcks& acks);
  // Sends the outcome of a settlement to the consumer. On any thread.
  void Settled(const std::shared_ptr<Consumer>& consumer, SettleAnswer answer);

  // Whether the event is waiting to be parked; see FinishParking.
  bool IsParking(PartitionId partition, Offset event) const;
  // `dead_letter`: it is in the dead-letter topic now; otherwise it is lost.
  void FinishParking(CommitBuilder& commit, PartitionId partition, Offset event, bool dead_letter);
  void AbandonParking(PartitionId partition, Offset event, absl::string_view why);

  // Replaces the settings; takes effect when the commit is visible.
  void Apply(CommitBuilder& commit, const v1::Subscription& settings);
  // Whether a replay may have the filter of the request: FAILED_PRECONDITION
  // (REASON_REPLAY_IN_PROGRESS) if others that are not done have another one, RESOURCE_EXHAUSTED if
  // no memory is left for it.
  absl::Status CheckReplayFilter(const v1::ReplaySubscriptionRequest& request) const;
  void SetReplayRate(CommitBuilder& commit, const v1::RateLimit& limit);
  // Sets the rate limit and the filter of replays.
  void SetReplayTerms(CommitBuilder& commit, const v1::ReplaySubscriptionRequest& request);

  // Whether memory has room for the ranges that the places bring; RESOURCE_EXHAUSTED
  // (REASON_TOO_MANY_PENDING_RANGES) if not.
  absl::Status CheckRoom(const std::vector<SeekPlace>& places) const;
  // Likewise for a number of ranges in one partition.
  absl::Status CheckRoom(PartitionId partition, size_t ranges) const;
  // Continues a seek as far as one commit may.
  void Seek(CommitBuilder& commit, SeekWork& work);
  // Add the settled events of the ranges to the replay, or end their replay, as far as one commit
  // may; count the events. RESOURCE_EXHAUSTED (REASON_TOO_MANY_PENDING_RANGES), with the rest not
  // added, if memory has no room for more ranges.
  absl::Status Replay(CommitBuilder& commit, RangeWork& work);
  void CancelReplays(CommitBuilder& commit, RangeWork& work);
  // Returns whether the event was added: see PartitionCursor::AddRedriven.
  bool Redrive(CommitBuilder& commit, PartitionId partition, Offset event,
               const DeadLetterPlace& place, const PipelineList& pipelines);
  bool WillBeDelivered(PartitionId partition, Offset event) const;
  // See EventLedger.
  bool IsOutToOthers(PartitionId partition, Offset event, const PipelineList& pipelines) const;
  bool IsUnsettledFor(PartitionId partition, Offset event, const std::string& pipeline) const;
  // Continues a snapshot as far as one commit may.
  void TakeSnapshot(SnapshotWork& work);

  // Writes the record; Touch sets the time of last use in it, too.
  void PutRecord(CommitBuilder& commit) const;
  void Touch(CommitBuilder& commit);

  // Counts open dead letters that the commit adds, or, if negative, removes.
  void NoteLetters(CommitBuilder& commit, int64_t added);

  void BeforeWrite(CommitBuilder& commit) override;
  void OnVisible() override;

  // ---- Any thread.

  // Its consumers end with NOT_FOUND.
  void SetDeleted();
  void OnAlarm() override;

  // Limits the ranges to the events that were delivered.
  void LimitToDelivered(PartitionRanges& ranges);

  // The partitions with replayed events, as ranges.
  PartitionRanges Replays() const;
  // The number of events that a replay of the ranges would add.
  int64_t CountReplay(const PartitionRanges& ranges);

  // The changes that a move to these places would cause.
  std::vector<v1::PartitionMove> DescribeMoves(const std::vector<SeekPlace>& places);

  // A consistent view: an event that a commit moves from one state to another is in exactly one.
  struct Report {
    std::vector<CursorState> cursors;
    SubscriptionCounters counters;
    int64_t isolated = 0;  // The number of events to be delivered in isolation.
    // Descriptions of partitions whose next events could not be read.
    std::vector<std::string> read_failures;
    uint64_t too_costly = 0;    // See EventFilter::too_costly; since the filter was set.
    bool rate_limited = false;  // Whether the rate limit blocks deliveries.
  };
  Report MakeReport();
  // Lowers each to the first unsettled event of this subscription, including replays and redrives;
  // to the start of the log for a partition without a cursor.
  void LowerTo(std::vector<NeededFrom>& needed) const;
  std::vector<v1::ConsumerInfo> Consumers() const;
  size_t consumer_count() const;
  // The memory of what is delivered and not settled.
  size_t pending_bytes() const;
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
  void Wake() override;  // The topic has new events.

  // One look for events for a consumer; nullopt: events from memory must be matched first
  // (DeliverFetched).
  absl::StatusOr<std::optional<Step>> Look(Consumer& consumer, ConsumeFrame* frame, bool may_match);
  // Carries out the fetch of a consumer, and delivers the result. Returns false if an event did not
  // fit. `last`: if the next event is too large, the consumer waits for credit.
  bool DeliverFetched(Consumer& consumer, ConsumeFrame* frame, bool last, FetchTurn* turn);
  // Fills the rest of the frame. Returns whether events must be fetched for it.
  bool FillOn(Consumer& consumer, ConsumeFrame* frame);
  // The consumer waits from here on. Returns false if the topic has news since `seen`.
  bool Arm(Consumer& consumer, int64_t seen, bool wants_events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the registration with the topic, during which it keeps itself alive.
  void Unregister() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Adds new partitions, then distributes all of them.
  void Rebalance(Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // See CursorSet.
  void NoteMove(const PartitionCursor& cursor, const CommitBuilder& commit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets a new owner start once no event is being parked: see PartitionCursor::waits_for_parking.
  void NoteParkingEnded(PartitionCursor& cursor, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Applies the changes of commits that are visible now. Call it before reading cursors.
  void TakeVisible(Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const CommitChanges::Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CursorState VisibleStateOf(const PartitionCursor& cursor) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Carries out what a change caused, after the mutex is released.
  void Perform(Aftermath after);
  // The same for changes that are part of a commit, and are written with it.
  void PerformIn(CommitBuilder& commit, Aftermath after);
  // Has the events read on a thread that waits for the lake.
  void ReadHistory(EventFetch fetch);
  // Writes changes made outside of commits (deliveries and failures) with the next commit.
  void Flush();

  // Writes the record with the commit; it takes effect when the commit is visible.
  void SetPending(CommitBuilder& commit, SubscriptionRecord record);
  // Uses the record from here on.
  void Adopt(SubscriptionRecordPtr record, Aftermath* after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  using RangeChange =
      absl::FunctionRef<int64_t(PartitionCursor&, Offset from, Offset to, Effects* effects)>;
  // `adds`: the change may add a range for each one that there is; RESOURCE_EXHAUSTED if there is
  // no room for that.
  absl::Status ChangeRanges(CommitBuilder& commit, RangeWork& work, bool adds, RangeChange change);
  // Continues a seek in one partition. Returns whether that is done.
  bool SeekPartition(CommitBuilder& commit, SeekWork& work, size_t* left, Aftermath* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::PartitionMove DescribeMove(const SeekPlace& place) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginSnapshot(SnapshotWork& work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  int64_t Now() const { return absl::ToInt64Microseconds(context_.clock.Monotonic()); }

  const SubscriptionContext& context_;
  const SubscriptionId id_;
  const uint64_t incarnation_;
  const std::string name_;
  const std::shared_ptr<Topic> topic_;
  const EventSource source_;
  const absl::Time loaded_;
  SettleQueue settle_queue_;
  std::atomic<bool> may_have_letters_{false};
  // When the alarm comes; the largest number: it is not set.
  std::atomic<int64_t> alarm_due_{std::numeric_limits<int64_t>::max()};

  SubmittedState submitted_;  // Commit thread only.

  mutable Mutex mutex_;
  SubscriptionRecordPtr record_ ABSL_GUARDED_BY(mutex_);  // As of the last visible commit.
  int64_t last_used_micros_ ABSL_GUARDED_BY(mutex_);
  bool deleted_ ABSL_GUARDED_BY(mutex_) = false;
  bool flush_queued_ ABSL_GUARDED_BY(mutex_) = false;
  // The cursor with which the next alarm starts, since the last one ran out of budget before it.
  size_t first_swept_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set while the topic may wake this subscription.
  std::shared_ptr<Subscription> registered_ ABSL_GUARDED_BY(mutex_);
  // The parts. Those below use those above them.
  DeliveryRules rules_ ABSL_GUARDED_BY(mutex_);
  SubscriptionCounters counters_ ABSL_GUARDED_BY(mutex_);
  CursorSet cursors_ ABSL_GUARDED_BY(mutex_);
  ConsumerGroup consumers_ ABSL_GUARDED_BY(mutex_);
  const DispatchContext shared_;  // Refers to the four above.
  const std::unique_ptr<Scheduler> scheduler_ ABSL_PT_GUARDED_BY(mutex_);
  FrameFiller filler_ ABSL_GUARDED_BY(mutex_);
  Settler settler_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
