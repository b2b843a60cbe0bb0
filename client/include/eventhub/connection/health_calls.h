// Health calls: how AdminClient asks how a hub is doing.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/topic.h"

namespace eventhub::client {

// The health, the statistics and the clock of a hub; see AdminClient for the contract of each call.
// Thread-safe; each call blocks until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call
// that a class does not override returns UNIMPLEMENTED.
class HealthCalls {
 public:
  virtual ~HealthCalls() = default;

  // The health of one gRPC service of the hub; empty: of the hub as a whole. NOT_FOUND if the hub
  // has no such service.
  virtual absl::StatusOr<Health> CheckHealth(const std::string& service, absl::Duration timeout);
  virtual absl::StatusOr<HubStats> GetStats(absl::Duration timeout);
  virtual absl::StatusOr<absl::Time> ConfirmClock(absl::Duration timeout);
};

}  // namespace eventhub::client
