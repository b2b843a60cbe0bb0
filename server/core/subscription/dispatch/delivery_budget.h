// Credit, rates and the size of a frame, as one limit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/delivery_rates.h"

namespace eventhub {

// The offset after `events` events. Saturates: their number may be practically infinite.
inline Offset After(Offset offset, int64_t events) {
  return events > Offset::Max() - offset ? Offset::Max() : offset + events;
}

// The remaining capacity of a frame: bounded by its size, the consumer's credit, and the rate
// limits.
class DeliveryBudget {
 public:
  // For what is added to the frame.
  DeliveryBudget(const Consumer& consumer, const ConsumeFrame& frame, int64_t max_events,
                 DeliveryRates& rates, int64_t now)
      : events_(std::min(
            {consumer.credit.events - consumer.out.events, max_events, rates.Events(now)})),
        credit_bytes_(consumer.credit.bytes - consumer.out.bytes),
        frame_bytes_(
            std::min(static_cast<int64_t>(consumer.frame_bytes) - static_cast<int64_t>(frame.bytes),
                     rates.Bytes(now))),
        alone_(consumer.out.events == 0),
        first_(frame.deliveries.empty()) {}

  int64_t events() const { return events_; }
  int64_t bytes() const { return std::min(credit_bytes_, frame_bytes_); }
  bool full() const { return events_ <= 0 || bytes() <= 0; }

  // An event that waited for an event that the filter rejected is ready now.
  void NoteFreed() { freed_ = true; }
  bool TakeFreed() { return std::exchange(freed_, false); }

  // Whether a run of this size fits. An event larger than the remaining credit fits when nothing
  // else is in flight; an event larger than a frame, or than the rate allows at once, fits in a
  // frame of its own.
  bool Takes(int64_t run_events, int64_t run_bytes) const {
    const bool one = run_events == 1;
    return run_events <= events_ && (run_bytes <= credit_bytes_ || (one && alone_)) &&
           (run_bytes <= frame_bytes_ || (one && first_));
  }

  void Take(int64_t run_events, int64_t run_bytes) {
    events_ -= run_events;
    credit_bytes_ -= run_bytes;
    frame_bytes_ -= run_bytes;
    alone_ = false;
    first_ = false;
  }

 private:
  int64_t events_;
  int64_t credit_bytes_;
  int64_t frame_bytes_;
  bool freed_ = false;
  bool alone_;  // Nothing is in flight.
  bool first_;  // The frame is empty.
};

}  // namespace eventhub
