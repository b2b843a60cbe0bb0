// A batch delivered to a subscriber, and the set of its events without an outcome.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "eventhub/event_batch.h"
#include "eventhub/position.h"

namespace eventhub::client {

class Lease;

// Events are identified by their index in the batch. The batch never changes, and handlers read it
// without a lock; everything else is guarded by the subscriber's mutex. Not movable, because
// iterators point into it.
class Delivery {
 public:
  Delivery(EventBatch batch, std::shared_ptr<Lease> lease, absl::Duration received_at,
           absl::Duration lease_end)
      : batch_(std::move(batch)),
        lease_(std::move(lease)),
        end_(batch_.size()),
        received_at_(received_at),
        lease_end_(lease_end) {}

  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  const EventBatch& batch() const { return batch_; }
  Lease& lease() const { return *lease_; }
  int64_t OffsetOf(size_t i) const { return batch_.OffsetOf(i); }
  EventBatch Part(const EventBatch::Iterator& from, size_t count) const {
    return batch_.Part(from, count);
  }
  // Calls `visit` for consecutive offsets among the events from `first` to before `end`.
  void ForEachRange(size_t first, size_t end, absl::FunctionRef<void(OffsetRange)> visit) const;

  // Events from here on are void: they are delivered again, here or to another consumer.
  size_t end() const { return end_; }
  void CutTo(size_t index);
  // The first valid event at `offset` or later; end() if there is none.
  size_t IndexOf(int64_t offset) const;

  // Whether all events have an outcome; how many have none.
  bool finished() const { return finished_to_ >= end_; }
  size_t unfinished() const { return end_ - finished_to_ - finished_beyond_; }
  // Marks events as having outcomes; none of them had one.
  void Finish(size_t first, size_t count);
  // Calls `visit` for consecutive offsets of events without an outcome.
  void ForEachUnfinished(absl::FunctionRef<void(OffsetRange)> visit) const;

  absl::Duration received_at() const { return received_at_; }
  // When the hub gives the events to other consumers, unless they are settled or their lease is
  // extended before.
  absl::Duration lease_end() const { return lease_end_; }
  void set_lease_end(absl::Duration end) { lease_end_ = end; }
  // QUEUE: whether that time has passed. (On a STREAM, the hub revokes the lease.)
  bool expired(absl::Duration now) const;

  // Its place in the lease's list.
  std::list<std::shared_ptr<Delivery>>::iterator place{};

 private:
  const EventBatch batch_;
  const std::shared_ptr<Lease> lease_;
  size_t end_;
  size_t finished_to_ = 0;              // All events before this one have an outcome.
  size_t finished_beyond_ = 0;          // How many flags are set beyond finished_to_.
  std::vector<bool> finished_flags_{};  // Empty while outcomes come in order.
  const absl::Duration received_at_;
  absl::Duration lease_end_;
};

}  // namespace eventhub::client
