// A read of a topic in progress: one cursor per partition, no queue. Delivered events are shared,
// never copied.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/archive/history.h"
#include "server/core/base/host_shares.h"
#include "server/core/event/delivery.h"
#include "server/core/event/event_filter.h"
#include "server/core/read/stop_time.h"
#include "server/core/read/topic_history.h"
#include "server/core/topic/topic.h"
#include "storage/base/metrics.h"
#include "storage/log_store.h"

namespace eventhub {

// Totals of all readers and consumers.
struct ReadCounters {
  explicit ReadCounters(Metrics& metrics)
      : tail_batches(metrics.AddCounter("eventhub_tail_batches_total",
                                        "Batches delivered from the tail cache.")),
        cold_batches(
            metrics.AddCounter("eventhub_cold_batches_total", "Batches delivered from the disk.")),
        history_batches(
            metrics.AddCounter("eventhub_history_batches_total", "Batches read from the lake.")),
        filtered_events(metrics.AddCounter("eventhub_reader_filtered_events_total",
                                           "Events dropped by filters of readers.")) {}

  Counter& tail_batches;
  Counter& cold_batches;
  Counter& history_batches;
  Counter& filtered_events;
};

// Events that the log does not have any more come from the history of the topic, if the hub has a
// lake, and those after them from the log: a reader that retention overtakes goes on in the lake.
// Offsets of which neither has events are passed over.
//
// Used by one thread at a time. The topic, the store, the history and the counters outlive it.
class TopicReader {
 public:
  enum class Step {
    kFrame,  // The frame has content to send.
    // The next events are only on disk, or must be searched for among many that the filter
    // excludes: call ReadCold where blocking is allowed.
    kCold,
    kHistory,  // The next events are in the lake: call ReadHistory where waiting for it is allowed.
    kWait,     // Nothing to deliver now: call NotifyWhenMore.
    kEnd,      // The stop position is reached.
  };

  // What readers share.
  struct Sources {
    const LogStore& store;
    History* history;  // Null: the hub has no lake.
    ReadCounters& counters;
  };

  // Checks the request and finds the start in the log; may read from disk. `stop_at` belongs to a
  // request that follows up to a time; otherwise null. Errors as for EventHubService.Read.
  static absl::StatusOr<std::unique_ptr<TopicReader>> Open(const v1::ReadRequest& request,
                                                           std::shared_ptr<Topic> topic,
                                                           const Sources& sources,
                                                           std::shared_ptr<StopTime> stop_at,
                                                           HostShares::Part memory);
  // The memory of a reader, without its frames. Bytes.
  static size_t Cost(const v1::ReadRequest& request, const Topic& topic);
  ~TopicReader();

  TopicReader(const TopicReader&) = delete;
  TopicReader& operator=(const TopicReader&) = delete;

  // The frame size that the request asks for. A frame exceeds it only if it holds a single event.
  size_t frame_bytes() const { return max_bytes_; }
  // Whether sealed data is to be delivered as it is.
  bool as_stored() const { return as_stored_; }

  // Fills an empty frame from memory, as far as possible, up to `max_bytes`. Never blocks.
  // NOT_FOUND: the topic was deleted. OUT_OF_RANGE: the next event was trimmed.
  absl::StatusOr<Step> Poll(Frame* frame, size_t max_bytes = SIZE_MAX);

  // Fills an empty frame after Poll returned kCold; it may stay empty. Errors as for
  // Poll; DATA_LOSS if stored data is damaged.
  absl::Status ReadCold(Frame* frame, size_t max_bytes = SIZE_MAX);

  // Like ReadCold, after Poll returned kHistory. Waits for the lake. Errors as for ReadCold, and
  // those of History.
  absl::Status ReadHistory(Frame* frame, size_t max_bytes = SIZE_MAX);

  // After Poll returned kWait: arranges for waiter.Wake() when Poll may return something else.
  // Returns false, with nothing registered, if it already may.
  bool NotifyWhenMore(Watermark::Waiter& waiter);
  // See Watermark::Cancel.
  bool CancelNotify(Watermark::Waiter& waiter);

 private:
  using Unresolved = HistoryStart::Unresolved;
  struct Cursor {
    PartitionLog* log;
    Offset next;
    Offset stop;  // Exclusive.
    // The run of the event before `next`, and the offset up to which events are known to belong to
    // it.
    uint64_t run = 0;
    Offset run_end = Offset(0);
    // Events before `next` were left out, and the client has not been told.
    bool passed = false;
    // Whether the events before `next` are history, or the start is.
    bool in_history = false;
    // What the lake has to confirm before `next` is the start.
    Unresolved unresolved = Unresolved::kNothing;

    bool done() const { return next >= stop; }
  };
  // kPaused: the filter excluded enough bytes that this call should yield.
  enum class Fill { kNothing, kSome, kFull, kCold, kHistory, kPaused };

  TopicReader(const v1::ReadRequest& request, std::shared_ptr<Topic> topic, const Sources& sources,
              std::shared_ptr<StopTime> stop_at, HostShares::Part memory);

  absl::Status SelectPartitions(const v1::ReadRequest& request);
  absl::Status AddCursor(uint32_t partition, const TopicView& view);
  absl::Status FindStarts(const v1::ReadRequest& request);
  absl::Status FindStart(const v1::StartPosition& start, Cursor& cursor);
  // Asks the lake for the starts of some of the cursors that may begin there.
  absl::Status ResolveStarts();
  absl::Status ResolveStart(Cursor& cursor);
  // The cursor that a resuming reader serves first, so that a reader that resumes again and again
  // does not serve only its first partitions.
  size_t FurthestBehind() const;
  void TakeUpNewPartitions(Frame* frame);
  // The offset up to which the lake has what the log does not have any more; 0 if it has nothing.
  Offset HistoryEnd(const PartitionLog& log) const;
  // Whether to read the next event from the lake. OUT_OF_RANGE: neither the lake nor the log has
  // it.
  absl::StatusOr<bool> IsHistory(const Cursor& cursor) const;
  LogPlace PlaceOf(const Cursor& cursor) const;
  absl::StatusOr<Fill> FillFromMemory(Cursor& cursor, Frame* frame);
  absl::Status FillFromDisk(Cursor& cursor, Frame* frame);
  absl::Status FillFromHistory(Cursor& cursor, Frame* frame);
  // Moves the events of batches before `limit` into the frame; returns false if the frame is full.
  bool Take(Cursor& cursor, const std::vector<RecordBatchPtr>& batches, Frame* frame,
            Offset limit = Offset::Max());
  // Moves on to `to`, before which there are no further events.
  void PassTo(Offset to, Cursor& cursor);
  // Determines the run of the events at `cursor.next`. Returns the offset up to which events belong
  // to it.
  absl::StatusOr<Offset> FindRun(const Cursor& cursor);
  // Stops the read at the current end of the log, if no event appended before the stop time can
  // follow.
  void EndIfOver(bool over);
  // Whether no event of a batch can be delivered.
  bool Skips(const BatchHeader& batch) const;
  // Skips the events of a batch up to `end`.
  void PassOver(const RecordBatch& batch, Offset end, Cursor& cursor);
  // With `chosen`, only the events that are not removed and match the filter.
  void Deliver(Delivery delivery, bool chosen, Cursor& cursor, Frame* frame);
  // Reports the position in each partition whose last events were left out.
  void NotePassed(Frame* frame);
  bool AtHead() const;
  bool AllDone() const;
  Watermark& mark() const;

  const std::shared_ptr<Topic> topic_;
  const LogStore& store_;
  History* const history_;
  ReadCounters& counters_;
  const bool all_partitions_;
  const bool follow_;
  const bool report_passed_;
  const bool as_stored_;
  const size_t max_bytes_;
  size_t room_ = 0;    // The size limit of the current frame.
  const Offset stop_;  // For each partition; exclusive.
  absl::Time start_time_ = absl::InfinitePast();
  absl::Time stop_time_ = absl::InfiniteFuture();
  // Null without a stop time, and if there is nothing to wait for.
  std::shared_ptr<StopTime> stop_at_;
  std::optional<EventFilter> filter_;

  std::vector<Cursor> cursors_;
  size_t unresolved_ = 0;  // Cursors whose start is not known yet.
  uint32_t purges_ = 0;    // The topic's counter when the reader was opened.
  size_t turn_ = 0;        // The cursor to serve first.
  int64_t seen_mark_ = 0;
  bool seen_over_ = false;
  // The run of the events being taken, and its end as far as it is known.
  uint64_t run_ = 0;
  Offset run_end_;
  // Bytes examined by this call, and since NotePassed.
  size_t scanned_ = 0;
  size_t scan_limit_ = 0;
  size_t untold_ = 0;
  bool any_passed_ = false;  // Of the cursors.
  bool started_ = false;
  bool said_caught_up_ = false;
  std::vector<RecordBatchPtr> batches_;  // Scratch.
  const HostShares::Part memory_;
};

}  // namespace eventhub
