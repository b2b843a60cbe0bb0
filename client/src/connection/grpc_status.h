// The one place where gRPC's and the hub's errors become absl::Status.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// With the hub's ErrorDetail, if it sent one, as the payload that eventhub/error.h reads.
absl::Status FromGrpc(const grpc::Status& status);
// The same at the end of `call`, made on a channel to `target`: if no connection ever had it, the
// status says that nothing was done.
absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& call,
                      const std::string& target);
// Whether that can be known of calls on a channel to `target`.
bool TellsWhetherSent(const std::string& target);
absl::Status FromProto(const v1::ErrorStatus& status);

}  // namespace eventhub::client
