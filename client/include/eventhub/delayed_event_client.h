// Looks at delayed events, and takes them back.
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

// The delayed events of a hub. Thread-safe; every method blocks. A call is made once, not retried;
// each is safe to make again. NOT_FOUND if there is no such topic.
//
// Example: take a reminder back
//
//     auto event = publisher->PublishAsync(reminder).get();  // reminder.mutable_deliver_after()
//     DelayedEventClient delayed(hub);
//     auto cancelled = delayed.Cancel("orders", {event->delayed->id});
class DelayedEventClient {
 public:
  explicit DelayedEventClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Gives the delayed events of a topic, in the order in which they are due, to `visit`, until it
  // returns false. A page at a time, so that any number of them can be gone through.
  absl::Status List(const std::string& topic, const DueRange& range,
                    absl::FunctionRef<bool(DelayedEvent)> visit);

  // They will never be appended. Returns how many were taken back; the others were appended, or
  // cancelled, before. Any number: 10,000 of them are cancelled at a time.
  absl::StatusOr<uint64_t> Cancel(const std::string& topic,
                                  const std::vector<std::string>& delay_ids);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
