// The one place where gRPC's and the hub's errors become absl::Status.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// With the hub's ErrorDetail, if it sent one, as the payload that eventhub/error.h reads.
absl::Status FromGrpc(const grpc::Status& status);
absl::Status FromProto(const v1::ErrorStatus& status);

}  // namespace eventhub::client
