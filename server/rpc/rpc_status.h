// The one place that turns an absl::Status into what gRPC sends.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace eventhub {

// For the end of a call; carries the ErrorDetail in the standard trailer.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace eventhub
