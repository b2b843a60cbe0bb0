#include "server/rpc/rpc_status.h"

#include "server/core/base/errors.h"

namespace eventhub {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const v1::ErrorStatus error = ToErrorStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(error.code()), error.message(),
                      error.SerializeAsString());
}

}  // namespace eventhub
