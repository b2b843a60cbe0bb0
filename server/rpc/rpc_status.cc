#include "server/rpc/rpc_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace eventhub {

v1::ErrorStatus ToErrorStatus(const absl::Status& status) {
  v1::ErrorStatus error;
  error.set_code(static_cast<int>(status.code()));
  error.set_message(std::string(status.message()));
  status.ForEachPayload([&error](absl::string_view url, const absl::Cord& payload) {
    google::protobuf::Any& detail = *error.add_details();
    detail.set_type_url(std::string(url));
    detail.set_value(std::string(payload));
  });
  // The contract promises a detail; one without a reason says that there is no more to say.
  if (error.details().empty()) error.add_details()->PackFrom(v1::ErrorDetail());
  return error;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      ToErrorStatus(status).SerializeAsString());
}

}  // namespace eventhub
