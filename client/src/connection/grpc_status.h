// Converts errors of gRPC and of the hub to absl::Status; the only place that does.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// Converts a status, with the hub's ErrorDetail, if any, as the payload that eventhub/error.h
// reads.
absl::Status FromGrpc(const grpc::Status& status);
// The same for a finished `call`: if it was never given to a connection, the status is marked by
// WithNothingDone.
absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& call);
absl::Status FromProto(const v1::ErrorStatus& status);

}  // namespace eventhub::client
