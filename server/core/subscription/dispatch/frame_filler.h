// Fills frames for consumers: selects the cursors and the flows that the next events come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/core/read/topic_reader.h"
#include "server/core/subscription/cursor/commit_changes.h"
#include "server/core/subscription/dispatch/aftermath.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/delivery_budget.h"
#include "server/core/subscription/dispatch/dispatch_context.h"
#include "server/core/subscription/dispatch/event_delivery.h"
#include "server/core/subscription/dispatch/event_source.h"
#include "server/core/subscription/dispatch/history_ahead.h"
#include "server/core/subscription/dispatch/scheduler.h"
#include "server/core/subscription/dispatch/turn_order.h"
#include "server/core/topic/topic.h"
#include "storage/record_batch.h"
#include "storage/visible_commits.h"

namespace eventhub {

// Events in memory that need no matching are delivered at once. For others, Fill asks for a fetch
// (Consumer::fetch), which EventSource carries out without the subscription's mutex; TakeFetched
// delivers the result if it is still wanted. A cursor is busy meanwhile: nothing else is delivered
// from it. A fetch covers the candidates that are likely to follow, too, so that events that lie
// scattered share frames and reads. Guarded by the subscription's mutex.
class FrameFiller {
 public:
  // What a consumer without deliveries is waiting for.
  enum class Want { kEvents, kFetch, kNothing };

  // The references outlive this object. `first_turn`: the partition to begin with.
  FrameFiller(const DispatchContext& shared, Scheduler& scheduler, Topic& topic,
              const VisibleCommits& commits, ReadCounters& reads, size_t first_turn)
      : shared_(shared),
        scheduler_(scheduler),
        topic_(topic),
        commits_(commits),
        reads_(reads),
        delivery_(shared, scheduler, topic.counters()),
        turns_(first_turn) {}

  FrameFiller(const FrameFiller&) = delete;
  FrameFiller& operator=(const FrameFiller&) = delete;

  // Uses the settings of this record from here on.
  void Follow(const SubscriptionRecord& record, int64_t now);
  // Nothing is delivered any more.
  void Stop(Aftermath* after);

  // Adds the consumer's next events to the frame, or asks for a fetch. The frame is empty unless
  // Consumer::adds_on is set.
  Want Fill(Consumer& consumer, int64_t now, ConsumeFrame* frame, Aftermath* after);
  // Takes what was read for Aftermath::history.
  void TakeHistory(std::unique_ptr<HistoryAhead> ahead, Aftermath* after);
  // Drops what was read from the history, and nobody took in time.
  void DropHistory(int64_t now, Aftermath* after);
  // Ends the consumer's fetch, and delivers the part of its result that is still next. `last`: if
  // the next event is too large, the consumer waits for credit. Returns false if an event did not
  // fit.
  bool TakeFetched(Consumer& consumer, const EventFetch& fetch, const FetchedEvents& fetched,
                   bool last, ConsumeFrame* frame, Aftermath* after);
  // The cursor moved to another position.
  void NoteMoved(const PartitionCursor& cursor) {
    ReadsOf(cursor).failure.reset();
    ReadsOf(cursor).history_failure.reset();
  }
  // Ends the fetch of a consumer that leaves, if there is one.
  void AbandonFetch(Consumer& consumer);

  // Tells the consumer that it has received everything, if that is new.
  void NoteCaughtUp(Consumer& consumer, const ConsumeFrame& frame) const;
  // Sets alarms for what waits for a time.
  void SetAlarms(int64_t now, Aftermath* after) const;
  // Commits up to this one are visible.
  void NoteVisible(int64_t visible, Aftermath* after);

  // Whether the rate limit blocks deliveries.
  bool RateLimited(int64_t now) { return delivery_.rates().AvailableAt(now) > now; }
  uint64_t too_costly() const { return delivery_.too_costly(); }
  // Descriptions of partitions whose next events could not be read.
  std::vector<std::string> ReadFailures() const;

 private:
  // The outcome of an attempt to deliver from a cursor; kFull: the next event does not fit;
  // kHistory: it is being read from the history, and the consumer is woken when it may be there.
  enum class Outcome { kNothing, kSome, kFull, kFetch, kHistory };
  enum class Isolated { kNone, kDeliver, kDrain };

  // Of one partition.
  struct Reads {
    bool busy = false;        // A fetch is in progress.
    bool extra_turn = false;  // Replayed events are served before live ones.
    // The events to be read next are being deleted: no read before that commit is visible. 0: none.
    int64_t after_commit = 0;
    // After a failed read: the failure, and when to read again. Null: the last read succeeded.
    std::unique_ptr<const std::string> failure;
    int64_t again_at = 0;
    // The same for the history, which delays replays only.
    std::unique_ptr<const std::string> history_failure;
    int64_t history_again_at = 0;
  };

  Reads& ReadsOf(const PartitionCursor& cursor);
  bool MayDeliver(const Consumer& consumer) const;
  // Whether the rate limit allows deliveries; if not, sets an alarm for the time when it does.
  bool RateAllows(int64_t now, Aftermath* after);
  // Limits a replay to its own rate; false: it has to wait, for that or for the history.
  bool Admit(const PartitionCursor& cursor, Candidate& candidate, int64_t now, Aftermath* after);
  DeliveryBudget BudgetOf(const Consumer& consumer, const ConsumeFrame& frame, int64_t now);
  // Whether events may be taken from the cursor: it is neither busy nor held, and no failed read or
  // deletion blocks it.
  bool MayRead(const PartitionCursor& cursor, int64_t now);
  bool AtHead(const Consumer& consumer) const;

  // Whether the consumer is to get an isolated event, now or when its events are settled.
  Isolated IsolatedFor(const Consumer& consumer, int64_t now, Aftermath* after);
  PartitionCursor* FindIsolated(const Consumer& consumer, int64_t now, Aftermath* after);
  Outcome DeliverIsolated(Consumer& consumer, int64_t now, ConsumeFrame* frame, Aftermath* after);
  // From the cursors in turn.
  Outcome Deliver(Consumer& consumer, int64_t now, ConsumeFrame* frame, Aftermath* after);
  Outcome DeliverFrom(PartitionCursor& cursor, Consumer& consumer, int64_t now,
                      DeliveryBudget& budget, ConsumeFrame* frame, Aftermath* after);
  Outcome DeliverCandidate(const DeliveryJob& job, Aftermath* after);
  Want FillFrame(Consumer& consumer, int64_t now, ConsumeFrame* frame, Aftermath* after);

  // Whether the events were removed from the log, and are replayed from the history.
  static bool IsHistory(const PartitionCursor& cursor, const Candidate& candidate) {
    return candidate.extra && !candidate.redriven_from.has_value() &&
           candidate.start < cursor.log().start() && cursor.log().InHistory(candidate.start);
  }
  // Delivers what was read; asks for more if the next event is not there. One part at a time is
  // read for a subscription, sized for the frame that asks for it, and dropped when a frame has
  // used it: the next one comes from the cache of the history. So a replay keeps little memory, and
  // a consumer that cannot take it delays no other.
  Outcome DeliverHistory(const DeliveryJob& job, Aftermath* after);
  void RequestHistory(const DeliveryJob& job, Aftermath* after);
  // Wakes those who could not ask for another part.
  void EndHistory(Aftermath* after);

  // The most candidates that one fetch covers: their delivery takes the mutex for about 1 ms.
  static constexpr size_t kMaxCandidates = 1000;

  // A request for the events of the job, and those that follow.
  EventFetch FetchOf(const DeliveryJob& job) const;
  // Asks for events from disk or, with batches, for events to be matched.
  void RequestFetch(const DeliveryJob& job, std::vector<RecordBatchPtr> batches = {});
  // Adds what memory holds of the candidates that follow; drops the others.
  static void ReadTail(PartitionLog& log, int64_t max_bytes, EventFetch* fetch);
  // What the cursor delivers next to the consumer, if that was fetched; cut to what was.
  std::optional<Candidate> NextFetched(const PartitionCursor& cursor, const Consumer& consumer,
                                       const EventFetch& fetch, const FetchedEvents& fetched) const;
  // Returns false if an event did not fit.
  bool DeliverFetched(PartitionCursor& cursor, Consumer& consumer, const EventFetch& fetch,
                      const FetchedEvents& fetched, ConsumeFrame* frame, Aftermath* after);
  // Records the outcome of a read from disk.
  void NoteRead(PartitionCursor& cursor, const Candidate& candidate, const absl::Status& status,
                Aftermath* after);

  const DispatchContext& shared_;
  Scheduler& scheduler_;
  Topic& topic_;
  const VisibleCommits& commits_;
  ReadCounters& reads_;
  EventDelivery delivery_;
  TurnOrder turns_;
  bool paused_ = false;
  bool stopped_ = false;
  std::vector<Reads> reads_of_;            // By partition; those beyond its end are as new.
  int64_t read_after_ = 0;                 // The maximum over all partitions.
  std::vector<RecordBatchPtr> batches_;    // Scratch.
  std::unique_ptr<HistoryAhead> history_;  // Null: there is none.
  bool reads_history_ = false;             // A part is being read.
  bool others_want_history_ = false;       // And asked in vain.
};

}  // namespace eventhub
