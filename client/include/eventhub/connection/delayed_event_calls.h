// Delayed-event calls: how DelayedEventClient reaches the delayed events of a hub.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/delayed_event.h"
#include "eventhub/topic.h"

namespace eventhub::client {

// The delayed events of a topic; see DelayedEventClient for the contract of each call. Thread-safe;
// each call blocks until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call that a class
// does not override returns UNIMPLEMENTED.
class DelayedEventCalls {
 public:
  virtual ~DelayedEventCalls() = default;

  virtual absl::StatusOr<Page<DelayedEvent>> ListDelayedEvents(const std::string& topic,
                                                               const DueRange& range,
                                                               uint32_t page_size,
                                                               const std::string& page_token,
                                                               absl::Duration timeout);
  virtual absl::StatusOr<uint32_t> CancelDelayedEvents(const std::string& topic,
                                                       const std::vector<std::string>& delay_ids,
                                                       absl::Duration timeout);
};

}  // namespace eventhub::client
