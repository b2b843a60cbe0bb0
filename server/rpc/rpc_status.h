// The one place that turns an absl::Status into what gRPC sends.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace eventhub {

// When to come back to a hub that shuts down, as its streams say at their end.
inline constexpr absl::Duration kReconnectDelay = absl::Seconds(1);

// For the end of a call; carries the ErrorDetail in the standard trailer.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace eventhub
