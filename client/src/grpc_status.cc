#include "client/src/grpc_status.h"

#include <string>

#include "absl/strings/cord.h"

namespace eventhub::client {
namespace {

void CopyDetails(const v1::ErrorStatus& from, absl::Status& to) {
  for (const google::protobuf::Any& detail : from.details()) {
    to.SetPayload(detail.type_url(), absl::Cord(absl::string_view(detail.value())));
  }
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  v1::ErrorStatus details;  // On the wire the same as the google.rpc.Status in the trailer.
  if (!result.ok() && details.ParseFromString(status.error_details())) {
    CopyDetails(details, result);
  }
  return result;
}

absl::Status FromProto(const v1::ErrorStatus& status) {
  const auto code = status.code() == 0 ? absl::StatusCode::kUnknown
                                       : static_cast<absl::StatusCode>(status.code());
  absl::Status result(code, status.message());
  CopyDetails(status, result);
  return result;
}

}  // namespace eventhub::client
