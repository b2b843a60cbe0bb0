// Finds faults, the dead letters of all subscriptions of a hub, and resubmits or discards them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/subscription.h"

namespace eventhub::client {

// The faults of a hub. Thread-safe; every method blocks. Errors as of SubscriptionClient;
// INVALID_ARGUMENT also if a filter or a fault id is invalid.
//
// Example:
//
//     FaultClient faults(Connect("localhost:7070"));
//     CloseLettersSpec timeouts{.selector = {.pipelines = {"charge"}, .errors = {"TIMEOUT"}}};
//     auto result = faults.Resubmit("payments", timeouts);
class FaultClient {
 public:
  explicit FaultClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Passes the faults of a subscription, or of all subscriptions if the name is empty, to `visit`,
  // until it returns false: by subscription, open ones first, the oldest first in each partition of
  // a dead-letter topic. Fetches a page at a time; includes their `data` only if `with_data` is
  // set.
  absl::Status List(const std::string& subscription, const DeadLetterSelector& selector,
                    bool with_data, absl::FunctionRef<bool(DeadLetter)> visit);

  // Counts them by subscription, processor, pipeline, step and error, in that order.
  absl::StatusOr<std::vector<DeadLetterGroup>> Count(const std::string& subscription,
                                                     const DeadLetterSelector& selector);

  // Delivers the events of open faults again, each to the pipeline that gave up on it, in the order
  // of their log; or discards the faults. Covers the faults that exist at the call, a page of
  // `spec.max_events` at a time (0: 1,000), and calls `on_page`, unless it is null, with the sum so
  // far after each; ends early, with that sum, when it returns false. After an error, the pages
  // before stay done; a repetition continues with the rest. Starts at `spec.page_token`.
  using OnPage = std::function<bool(const RedriveResult& so_far)>;
  absl::StatusOr<RedriveResult> Resubmit(const std::string& subscription, CloseLettersSpec spec,
                                         const OnPage& on_page = nullptr);
  absl::StatusOr<RedriveResult> Discard(const std::string& subscription, CloseLettersSpec spec,
                                        const OnPage& on_page = nullptr);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
