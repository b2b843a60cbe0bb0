#include "client/src/connection/grpc_status.h"

#include <grpc/grpc_security_constants.h>

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/src/base/failure.h"
#include "eventhub/error.h"

namespace eventhub::client {
namespace {

constexpr absl::string_view kTooLarge = "Received message larger than max (";

void CopyDetails(const v1::ErrorStatus& from, absl::Status& to) {
  for (const google::protobuf::Any& detail : from.details()) {
    to.SetPayload(detail.type_url(), absl::Cord(absl::string_view(detail.value())));
  }
}

// gRPC at the hub refuses a request that is larger than the hub receives. The hub never sees it, so
// the error has no ErrorDetail: only gRPC's message distinguishes it from a temporary exhaustion.
// The message cannot be about a reply, because this library receives messages of any size.
absl::Status RequestTooLarge(absl::string_view message) {
  const std::pair<absl::string_view, absl::string_view> sizes = absl::StrSplit(
      absl::StripSuffix(absl::StripPrefix(message, kTooLarge), ")"), absl::MaxSplits(" vs. ", 1));
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("the request of ", sizes.first, " bytes exceeds the hub's limit of ",
                   sizes.second, " bytes (its --max_request)"));
  SetErrorInfo({.reason = ErrorReason::kRequestTooLarge}, status);
  return status;
}

// A call that was given to a connection holds a reference to the security context of that
// connection, which says how the connection is secured, even if it is not. (The peer does not tell:
// gRPC 1.51 keeps a pointer to the address of the connection, which is freed with it.)
bool WasNeverSent(const grpc::ClientContext& call) {
  return call.auth_context()
      ->FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME)
      .empty();
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  v1::ErrorStatus details;  // On the wire the same as the google.rpc.Status in the trailer.
  if (!result.ok() && details.ParseFromString(status.error_details())) {
    CopyDetails(details, result);
  }
  if (absl::IsResourceExhausted(result) && absl::StartsWith(result.message(), kTooLarge) &&
      !GetErrorInfo(result)) {
    return RequestTooLarge(result.message());
  }
  return result;
}

absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& call) {
  absl::Status result = FromGrpc(status);
  if (result.ok() || !WasNeverSent(call)) return result;
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
