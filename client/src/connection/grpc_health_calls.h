// HealthCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/health_calls.h"
#include "eventhub/v1/admin.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace eventhub::client {

// The health of a hub, through grpc.health.v1; its statistics and clock, through AdminService.
// Thread-safe.
class GrpcHealthCalls final : public HealthCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcHealthCalls(GrpcCaller& caller) : admin_(caller), health_(caller) {}

  absl::StatusOr<Health> CheckHealth(const std::string& service, absl::Duration timeout) override;
  absl::StatusOr<HubStats> GetStats(absl::Duration timeout) override;
  absl::StatusOr<absl::Time> ConfirmClock(absl::Duration timeout) override;

 private:
  GrpcService<v1::AdminService> admin_;
  GrpcService<grpc::health::v1::Health> health_;
};

}  // namespace eventhub::client
