// Received events in their wire format, parsed only when they are accessed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/bytes.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

class Delivery;
class EventBatch;
class LeaseTable;
class ReaderCore;
class SubscriberCore;

// One received event: a view into its batch, valid as long as that EventBatch object.
class ReceivedEvent {
 public:
  uint32_t partition() const;
  int64_t offset() const { return offset_; }
  // When the hub appended the event, by the hub's clock.
  absl::Time append_time() const;
  // See EventBatch.
  uint32_t delivery_attempt() const;
  bool replayed() const;
  bool redelivered() const;
  const std::vector<std::string>& pipelines() const;
  uint64_t lease_epoch() const;
  uint64_t session() const;
  int64_t first_new_offset() const;

  // The encoded eventhub.v1.Event.
  std::string_view bytes() const { return bytes_; }

  // Parses the event into `event`, whose memory is reused: a loop with one v1::Event rarely
  // allocates. DATA_LOSS if the bytes are not an event, which a hub never delivers.
  absl::Status ParseTo(v1::Event& event) const;

 private:
  friend class EventBatch;

  const EventBatch* batch_ = nullptr;
  int64_t offset_ = 0;
  std::string_view bytes_;
};

// Events of one partition, in offset order. Cheap to copy and to move: the bytes are shared.
// Thread-compatible. A range of ReceivedEvent:
//
//     v1::Event event;
//     for (const ReceivedEvent& received : batch) {
//       RETURN_IF_ERROR(received.ParseTo(event));
//       …
//     }
class EventBatch {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = ReceivedEvent;
    using difference_type = std::ptrdiff_t;
    using pointer = const ReceivedEvent*;
    using reference = const ReceivedEvent&;

    const ReceivedEvent& operator*() const { return current_; }
    const ReceivedEvent* operator->() const { return &current_; }
    Iterator& operator++() {
      ++index_;
      Load();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.index_ == b.index_; }

   private:
    friend class EventBatch;
    Iterator(const EventBatch* batch, size_t index);
    void Load();

    size_t index_;
    const char* start_ = nullptr;  // Of the current event as a field.
    std::string_view rest_;        // After it.
    ReceivedEvent current_;
  };

  EventBatch() = default;

  // Parses one EventBatch message that lies within `frame`. DATA_LOSS if it is malformed;
  // afterwards no access can fail, except parsing an individual event.
  static absl::StatusOr<EventBatch> Parse(const Bytes& frame, std::string_view message);

  uint32_t partition() const { return partition_; }
  // When the hub appended these events, by the hub's clock.
  absl::Time append_time() const { return append_time_; }
  // The number of this delivery attempt: 1 plus the number of failed attempts, as defined at
  // `max_delivery_attempts` in eventhub/v1/subscription.proto; 0 without a subscription.
  uint32_t delivery_attempt() const { return delivery_attempt_; }
  // Whether the events belong to a replay or a redrive, which runs beside the live flow of the
  // subscription and is not ordered with it. False without a subscription.
  bool replayed() const { return replayed_; }
  // Whether a consumer may have handled the events before. May be true even in the first attempt:
  // see delivery_attempt.
  bool redelivered() const { return redelivered_; }
  // The pipelines to which the events are redriven, because they gave up on them; others pass the
  // events over. Empty: all; and always for consumers that report no pipelines (FaultDetail).
  const std::vector<std::string>& pipelines() const { return pipelines_; }
  // The epoch of the lease under which the events were delivered; 0 without a subscription.
  uint64_t lease_epoch() const { return lease_epoch_; }
  // The run of these events, see PartitionOffset; 0 with a subscription.
  uint64_t run() const { return run_; }
  // Identifies the consumer session that the events were delivered to; 0 without a subscription.
  uint64_t session() const { return session_; }
  // STREAM: the first offset that had never been delivered when the partition was assigned. Events
  // before it that a former owner of the partition has settled are not delivered again, although
  // earlier events may be. 0 without a STREAM, and if the hub is too old to tell.
  int64_t first_new_offset() const { return first_new_offset_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The offsets of the first and the last event. The batch must not be empty.
  int64_t first_offset() const { return OffsetOf(0); }
  int64_t last_offset() const { return OffsetOf(size_ - 1); }

  // Whether this batch, which may be empty, reaches the end of the log.
  bool caught_up() const { return caught_up_; }
  // Whether the requested end is reached: this batch is empty and no batch follows.
  bool done() const { return done_; }

  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, size_); }

  // The approximate memory of the batch; several batches may share it.
  size_t bytes() const { return events_.size(); }

 private:
  friend class Delivery;
  friend class LeaseTable;
  friend class ReaderCore;
  friend class ReceivedEvent;
  friend class SubscriberCore;

  int64_t OffsetOf(size_t i) const {
    return base_offset_ + (offset_deltas_.empty() ? static_cast<int64_t>(i) : offset_deltas_[i]);
  }

  // The `count` events, at least 1, from where `from` is.
  EventBatch Part(Iterator from, size_t count) const;

  // Takes over a field that is a number.
  void TakeNumber(uint32_t field, uint64_t value);

  Bytes frame_;
  std::string_view events_;  // The events as fields, one after another; within the frame.
  size_t size_ = 0;
  uint32_t partition_ = 0;
  int64_t base_offset_ = 0;
  std::vector<uint32_t> offset_deltas_;
  absl::Time append_time_ = absl::InfinitePast();
  uint32_t delivery_attempt_ = 0;
  uint64_t lease_epoch_ = 0;
  uint64_t session_ = 0;
  int64_t first_new_offset_ = 0;
  uint64_t run_ = 0;
  bool replayed_ = false;
  bool redelivered_ = false;
  std::vector<std::string> pipelines_;
  bool caught_up_ = false;
  bool done_ = false;
};

inline uint32_t ReceivedEvent::partition() const { return batch_->partition(); }
inline absl::Time ReceivedEvent::append_time() const { return batch_->append_time(); }
inline uint32_t ReceivedEvent::delivery_attempt() const { return batch_->delivery_attempt(); }
inline bool ReceivedEvent::replayed() const { return batch_->replayed(); }
inline bool ReceivedEvent::redelivered() const { return batch_->redelivered(); }
inline const std::vector<std::string>& ReceivedEvent::pipelines() const {
  return batch_->pipelines();
}
inline uint64_t ReceivedEvent::lease_epoch() const { return batch_->lease_epoch(); }
inline uint64_t ReceivedEvent::session() const { return batch_->session(); }
inline int64_t ReceivedEvent::first_new_offset() const { return batch_->first_new_offset(); }

}  // namespace eventhub::client
