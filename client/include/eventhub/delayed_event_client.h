// Lists and cancels delayed events.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/delayed_event.h"

namespace eventhub::client {

// The delayed events of a hub. Thread-safe; every method blocks. Calls wait for the hub like those
// of AdminClient, and are safe to repeat. NOT_FOUND if the topic does not exist.
//
// Example: cancel a reminder
//
//     auto event = publisher->PublishAsync(reminder).get();  // reminder.mutable_deliver_after()
//     DelayedEventClient delayed(hub);
//     auto cancelled = delayed.Cancel("orders", {event->delayed->id});
class DelayedEventClient {
 public:
  explicit DelayedEventClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Passes the delayed events of a topic to `visit`, by due time, until it returns false. Fetches a
  // page at a time, so that any number can be visited.
  absl::Status List(const std::string& topic, const DueRange& range,
                    absl::FunctionRef<bool(DelayedEvent)> visit);

  // Cancels delayed events, which are then never appended. Returns how many were cancelled; the
  // others had been appended or cancelled before. Takes any number of ids, 10,000 in each call to
  // the hub.
  absl::StatusOr<uint64_t> Cancel(const std::string& topic,
                                  const std::vector<std::string>& delay_ids);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
