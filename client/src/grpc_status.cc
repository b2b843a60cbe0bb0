#include "client/src/grpc_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "client/src/failure.h"

namespace eventhub::client {
namespace {

void CopyDetails(const v1::ErrorStatus& from, absl::Status& to) {
  for (const google::protobuf::Any& detail : from.details()) {
    to.SetPayload(detail.type_url(), absl::Cord(absl::string_view(detail.value())));
  }
}

// Whether the target of a channel may also be the address of a connection, as gRPC writes it.
bool MayBeAddress(const std::string& target) {
  return (absl::StartsWith(target, "unix") && !absl::StartsWith(target, "unix://")) ||
         absl::StartsWith(target, "ipv4:") || absl::StartsWith(target, "ipv6:");
}

// As the peer of a call, gRPC names the address of the connection that it was given to, and before
// that the target of its channel.
bool NeverLeft(const grpc::ClientContext& call, const std::string& target) {
  return !MayBeAddress(target) && call.peer() == target;
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

absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& call,
                      const std::string& target) {
  absl::Status result = FromGrpc(status);
  if (result.ok() || !NeverLeft(call, target)) return result;
  return WithNothingDone(std::move(result));
}

absl::Status FromProto(const v1::ErrorStatus& status) {
  const auto code = status.code() == 0 ? absl::StatusCode::kUnknown
                                       : static_cast<absl::StatusCode>(status.code());
  absl::Status result(code, status.message());
  CopyDetails(status, result);
  return result;
}

}  // namespace eventhub::client
