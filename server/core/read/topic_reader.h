// A read of a topic in progress: one cursor per partition, and no queue. What it delivers is
// shared, never copied.
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
#include "server/core/event/delivery.h"
#include "server/core/event/event_filter.h"
#include "server/core/read/stop_time.h"
#include "server/core/topic/topic.h"
#include "storage/base/metrics.h"
#include "storage/log_store.h"

namespace eventhub {

// Of all readers and consumers.
struct ReadCounters {
  explicit ReadCounters(Metrics& metrics)
      : tail_batches(metrics.AddCounter("eventhub_tail_batches_total",
                                        "Batches delivered from the tail cache.")),
        cold_batches(
            metrics.AddCounter("eventhub_cold_batches_total", "Batches delivered from the disk.")),
        filtered_events(metrics.AddCounter("eventhub_reader_filtered_events_total",
                                           "Events that filters of readers left out.")) {}

  Counter& tail_batches;
  Counter& cold_batches;
  Counter& filtered_events;
};

// Used by one thread at a time. The topic, the store and the counters outlive it.
class TopicReader {
 public:
  enum class Step {
    kFrame,  // The frame has something to deliver.
    // The next events are on disk only, or have to be looked for among many that the filter leaves
    // out: call ReadCold where blocking is allowed.
    kCold,
    kWait,  // There is nothing now: call NotifyWhenMore.
    kEnd,   // The stop is reached.
  };

  // Checks the request and finds the start; may read from the disk. `stop_at` is that of a request
  // that follows up to a time; else null. Errors as for EventHubService.Read.
  static absl::StatusOr<std::unique_ptr<TopicReader>> Open(
      const v1::ReadRequest& request, std::shared_ptr<Topic> topic, const LogStore& store,
      ReadCounters& counters, std::shared_ptr<StopTime> stop_at, MemoryMeter::Lease memory);
  // The memory that the reader takes, but for its frames. Bytes.
  static size_t Cost(const v1::ReadRequest& request, const Topic& topic);
  ~TopicReader();

  TopicReader(const TopicReader&) = delete;
  TopicReader& operator=(const TopicReader&) = delete;

  // The size of a frame that the request asks for. A frame is larger only if one event is.
  size_t frame_bytes() const { return max_bytes_; }

  // Fills an empty frame from memory, as far as it goes, with no more than `max_bytes`. Never
  // blocks. NOT_FOUND: the topic was deleted. OUT_OF_RANGE: the next event was trimmed.
  absl::StatusOr<Step> Poll(Frame* frame, size_t max_bytes = SIZE_MAX);

  // Fills an empty frame after Poll returned kCold; with a filter it may stay empty. Errors as for
  // Poll; DATA_LOSS if the disk is damaged.
  absl::Status ReadCold(Frame* frame, size_t max_bytes = SIZE_MAX);

  // After Poll returned kWait: arranges for waiter.Wake() when Poll may have more to say. False,
  // with nothing registered, if it already has.
  bool NotifyWhenMore(Watermark::Waiter& waiter);
  // See Watermark::Cancel.
  bool CancelNotify(Watermark::Waiter& waiter);

 private:
  struct Cursor {
    PartitionLog* log;
    Offset next;
    Offset stop;  // Exclusive.
    // Of the event before `next`: the run, and up to where events are known to be of it.
    uint64_t run = 0;
    Offset run_end = Offset(0);
    bool passed = false;  // Events before `next` were left out, which the reader was not told.

    bool done() const { return next >= stop; }
  };
  // kPaused: the filter left out so much that it is time to see to other things.
  enum class Fill { kNothing, kSome, kFull, kCold, kPaused };

  TopicReader(const v1::ReadRequest& request, std::shared_ptr<Topic> topic, const LogStore& store,
              ReadCounters& counters, std::shared_ptr<StopTime> stop_at, MemoryMeter::Lease memory);

  absl::Status SelectPartitions(const v1::ReadRequest& request);
  absl::Status AddCursor(uint32_t partition, const TopicView& view);
  absl::Status FindStarts(const v1::ReadRequest& request);
  // The cursor that a reader which resumes is served first: one that is resumed again and again is
  // not served the first ones alone.
  size_t FurthestBehind() const;
  void TakeUpNewPartitions(Frame* frame);
  absl::Status CheckReadable(const Cursor& cursor) const;
  LogPlace PlaceOf(const Cursor& cursor) const;
  absl::StatusOr<Fill> FillFromMemory(Cursor& cursor, Frame* frame);
  absl::Status FillFromDisk(Cursor& cursor, Frame* frame);
  // Moves batches into the frame; false if the frame is full.
  bool Take(Cursor& cursor, const std::vector<RecordBatchPtr>& batches, Frame* frame);
  // What is taken next is of the run of `cursor.next`, up to the offset that it returns.
  absl::StatusOr<Offset> FindRun(const Cursor& cursor);
  // Ends the read where the log ends, if nothing that was appended before the stop time can come.
  void EndIfOver(bool over);
  // Passes over the events of a batch up to `end`, none of which can pass the filter.
  void PassOver(const RecordBatch& batch, Offset end, Cursor& cursor);
  void Deliver(Delivery delivery, Cursor& cursor, Frame* frame);
  // Tells the reader how far it is in partitions whose last events were left out.
  void NotePassed(Frame* frame);
  bool AtHead() const;
  bool AllDone() const;
  Watermark& mark() const;

  const std::shared_ptr<Topic> topic_;
  const LogStore& store_;
  ReadCounters& counters_;
  const bool all_partitions_;
  const bool follow_;
  const bool report_passed_;
  const size_t max_bytes_;
  size_t room_ = 0;    // Of the frame being made.
  const Offset stop_;  // Of each partition; exclusive.
  absl::Time stop_time_ = absl::InfiniteFuture();
  std::shared_ptr<StopTime> stop_at_;  // Null without a stop time, and if nothing is waited for.
  std::optional<EventFilter> filter_;

  std::vector<Cursor> cursors_;
  uint32_t purges_ = 0;  // Of the topic, when it was opened.
  size_t turn_ = 0;      // The cursor that is served first.
  int64_t seen_mark_ = 0;
  bool seen_over_ = false;
  // The run of what is being taken, and its end as far as it is known.
  uint64_t run_ = 0;
  Offset run_end_;
  // Bytes looked through by this call, and since NotePassed.
  size_t scanned_ = 0;
  size_t scan_limit_ = 0;
  size_t untold_ = 0;
  bool started_ = false;
  bool said_caught_up_ = false;
  std::vector<RecordBatchPtr> batches_;  // Scratch.
  const MemoryMeter::Lease memory_;
};

}  // namespace eventhub
