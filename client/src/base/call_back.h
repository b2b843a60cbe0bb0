// Tells the caller of a publisher what became of its events.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "client/src/publish/request_queue.h"
#include "eventhub/publisher.h"

namespace eventhub::client {

// Calls `on_batch_done`, if it is set, then the callback of each event, which is then destroyed.
// The hub tells places by request and partition; they are worked out for each event that has a
// callback. Exceptions end the call that threw them alone; UNKNOWN, with what the first one said.
absl::Status CallBack(Finished& finished,
                      const std::function<void(const BatchResult&)>& on_batch_done);

}  // namespace eventhub::client
