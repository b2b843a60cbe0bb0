// The only place that converts an absl::Status to gRPC's form.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace eventhub {

// The delay before reconnecting to a hub that shuts down, as its streams report when they end.
inline constexpr absl::Duration kReconnectDelay = absl::Seconds(1);

// Converts the status of a call; the ErrorDetail goes into the standard trailer.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace eventhub
