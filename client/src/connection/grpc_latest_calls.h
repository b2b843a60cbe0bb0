// LatestCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/latest_calls.h"
#include "eventhub/v1/hub.grpc.pb.h"

namespace eventhub::client {

// Looks up events through EventHubService. Thread-safe.
class GrpcLatestCalls final : public LatestCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcLatestCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<LatestEvent> GetLatest(const std::string& topic, const std::string& key,
                                        std::optional<uint32_t> partition,
                                        absl::Duration timeout) override;

 private:
  using Stub = v1::EventHubService::Stub;

  GrpcService<v1::EventHubService> service_;
};

}  // namespace eventhub::client
