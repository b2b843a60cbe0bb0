#include "client/src/connection/grpc_status.h"

#include <string>
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

// Whether the target of a channel may also be the address of a connection, as gRPC writes it.
bool MayBeAddress(const std::string& target) {
  const bool resolved =
      absl::StartsWith(target, "unix://") || absl::StartsWith(target, "unix-abstract://");
  return (absl::StartsWith(target, "unix") && !resolved) || absl::StartsWith(target, "ipv4:") ||
         absl::StartsWith(target, "ipv6:");
}

// Whether the channel failed without a connection: gRPC's words for it, which are not those for a
// connection that broke.
bool HadNoConnection(absl::string_view message) {
  return absl::StartsWith(message, "failed to connect to all addresses") ||
         absl::StartsWith(message, "DNS resolution failed") ||
         absl::StartsWith(message, "empty address list");
}

// The peer of a call is the target of its channel until the call is assigned to a connection, and
// then the address of that connection. After a connection broke, the peer is not reliable: gRPC
// 1.51 keeps a pointer to the address, which is freed with the connection.
bool WasNeverSent(const absl::Status& status, const grpc::ClientContext& call,
                  const std::string& target) {
  if (!ReportsUnsentCalls(target)) return false;
  if (absl::IsUnavailable(status) && !HadNoConnection(status.message())) return false;
  return call.peer() == target;
}

}  // namespace

bool ReportsUnsentCalls(const std::string& target) { return !MayBeAddress(target); }

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

absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& call,
                      const std::string& target) {
  absl::Status result = FromGrpc(status);
  if (result.ok() || !WasNeverSent(result, call, target)) return result;
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
