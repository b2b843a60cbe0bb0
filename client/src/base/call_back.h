// Reports the results of events to the program's callbacks.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "client/src/publish/request_queue.h"
#include "eventhub/publisher.h"

namespace eventhub::client {

// Calls `on_batch_done`, if it is set, and then the callback of each event, and destroys the
// callbacks. The hub reports places by request and partition; they are derived for each event that
// has a callback. An exception ends only the callback that threw it; returns UNKNOWN with the first
// one's message.
absl::Status CallBack(Finished& finished,
                      const std::function<void(const BatchResult&)>& on_batch_done);

}  // namespace eventhub::client
