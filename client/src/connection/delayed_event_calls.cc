#include "eventhub/connection/delayed_event_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<Page<DelayedEvent>> DelayedEventCalls::ListDelayedEvents(const std::string&,
                                                                        const DueRange&, uint32_t,
                                                                        const std::string&,
                                                                        absl::Duration) {
  return Unimplemented("ListDelayedEvents");
}

absl::StatusOr<uint32_t> DelayedEventCalls::CancelDelayedEvents(const std::string&,
                                                                const std::vector<std::string>&,
                                                                absl::Duration) {
  return Unimplemented("CancelDelayedEvents");
}

}  // namespace eventhub::client
