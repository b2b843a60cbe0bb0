// An event that an asynchronous handler has and has not settled.
#pragma once

#include <memory>
#include <utility>

#include "client/src/subscribe/work_queue.h"
#include "eventhub/subscriber.h"

namespace eventhub::client {

class SubscriberCore;

// Keeps the event's memory, but not its subscriber.
class PendingEvent {
 public:
  PendingEvent(std::weak_ptr<SubscriberCore> core, WorkQueue::Chunk event)
      : core_(std::move(core)), event_(std::move(event)) {}

  // Has no effect if the subscriber is gone. Call it once.
  void Settle(Outcome outcome);

 private:
  const std::weak_ptr<SubscriberCore> core_;
  const WorkQueue::Chunk event_;  // One event.
};

}  // namespace eventhub::client
