// Isolated deliveries. When a consumer disconnects without settling its events, any of them may
// have crashed it. Before such an event becomes a dead letter, it is delivered to a consumer that
// has nothing else in flight, so that other events are not blamed for it.
//
// While such events exist, a consumer with events in flight gets nothing new: the first consumer
// that has settled everything takes one of them. This lasts at most the ack deadline, since
// consumers may work for hours: then the events are delivered together with others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "server/core/subscription/dispatch/aftermath.h"
#include "server/core/subscription/dispatch/dispatch_context.h"

namespace eventhub {

// When isolation begins and ends. Guarded by the subscription's mutex.
class Isolation {
 public:
  explicit Isolation(const DispatchContext& shared) : shared_(shared) {}

  // Whether events may have to be delivered in isolation.
  bool active() const { return end_due_ != kNever; }

  // Call when the number of isolated events of a partition may have changed.
  void Note(const PartitionCursor& cursor, Aftermath* after);
  // Ends isolation if its time is up. Examines at most `*left` pending ranges; sweeps continue.
  void EndIfDue(int64_t now, size_t* left, Aftermath* after);

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  const DispatchContext& shared_;
  int64_t end_due_ = kNever;  // kNever: no events are isolated.
};

}  // namespace eventhub
