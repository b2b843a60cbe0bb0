#include "client/src/connection/grpc_health_calls.h"

#include "client/src/admin/topic_proto.h"
#include "client/src/base/proto_time.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

using AdminStub = v1::AdminService::Stub;

absl::StatusOr<Health> GrpcHealthCalls::CheckHealth(const std::string& service,
                                                    absl::Duration timeout) {
  using grpc::health::v1::HealthCheckResponse;
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  ASSIGN_OR_RETURN(const HealthCheckResponse response,
                   health_.Probe(&grpc::health::v1::Health::Stub::Check, request, timeout));
  switch (response.status()) {
    case HealthCheckResponse::SERVING:
      return Health::kServing;
    case HealthCheckResponse::NOT_SERVING:
      return Health::kNotServing;
    default:
      return Health::kUnknown;
  }
}

absl::StatusOr<HubStats> GrpcHealthCalls::GetStats(absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   admin_.Query(&AdminStub::GetStats, v1::GetStatsRequest(), timeout));
  return FromProto(response);
}

absl::StatusOr<absl::Time> GrpcHealthCalls::ConfirmClock(absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   admin_.Call(&AdminStub::ConfirmClock, v1::ConfirmClockRequest(), timeout));
  return FromProto(response.time());
}

}  // namespace eventhub::client
