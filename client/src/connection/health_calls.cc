#include "eventhub/connection/health_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<Health> HealthCalls::CheckHealth(const std::string&, absl::Duration) {
  return Unimplemented("CheckHealth");
}

absl::StatusOr<HubStats> HealthCalls::GetStats(absl::Duration) { return Unimplemented("GetStats"); }

absl::StatusOr<absl::Time> HealthCalls::ConfirmClock(absl::Duration) {
  return Unimplemented("ConfirmClock");
}

}  // namespace eventhub::client
