// The one place that turns an absl::Status into what gRPC sends.
#pragma once

#include "absl/status/status.h"
#include "eventhub/v1/hub.pb.h"
#include "grpcpp/support/status.h"

namespace eventhub {

// For the reply on a stream that goes on.
v1::ErrorStatus ToErrorStatus(const absl::Status& status);

// For the end of a call; carries the ErrorDetail in the standard trailer.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace eventhub
