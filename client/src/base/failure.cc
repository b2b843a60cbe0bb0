#include "client/src/base/failure.h"

#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "eventhub/error.h"

namespace eventhub::client {
namespace {

// The payload that marks an error. Its value is readable, because it is printed with the status.
constexpr char kOutcomeUrl[] = "eventhub.client.outcome";
constexpr char kNothingDone[] = "nothing was done";
constexpr char kUnknown[] = "unknown";

absl::Status Marked(absl::Status error, const char* mark) {
  error.SetPayload(kOutcomeUrl, absl::Cord(mark));
  return error;
}

// Whether an error of the hub leaves the outcome unknown; see hub.proto.
bool HubLeavesInDoubt(absl::StatusCode code, ErrorReason reason) {
  // The request was done, but the hub has forgotten its offsets.
  if (reason == ErrorReason::kSequenceTooOld) return true;
  return code == absl::StatusCode::kUnavailable;
}

// Whether an error without an ErrorDetail leaves the outcome unknown. These are the codes that gRPC
// itself generates, or derives from the HTTP status of a proxy. It leaves all other codes to
// programs: here they come from the SDK, which found the request invalid before sending it.
bool TransportLeavesInDoubt(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:          // By this side, or RST_STREAM from another.
    case absl::StatusCode::kUnknown:            // No status, or an invalid one; other HTTP.
    case absl::StatusCode::kDeadlineExceeded:   // The reply did not arrive in time.
    case absl::StatusCode::kResourceExhausted:  // Memory quotas, ENHANCE_YOUR_CALM, sizes.
    case absl::StatusCode::kUnavailable:        // Broken connections; HTTP 429, 502 to 504.
    case absl::StatusCode::kInternal:           // Malformed frames or messages.
    case absl::StatusCode::kUnimplemented:      // No such method, no message in a reply; 404.
    case absl::StatusCode::kUnauthenticated:    // Credentials; HTTP 401.
    case absl::StatusCode::kPermissionDenied:   // HTTP 403.
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::Status WithNothingDone(absl::Status error) { return Marked(std::move(error), kNothingDone); }

absl::Status WithUnknownOutcome(absl::Status error) { return Marked(std::move(error), kUnknown); }

absl::Status OutcomeOf(absl::Status error, bool in_doubt) {
  return in_doubt ? WithUnknownOutcome(std::move(error)) : error;
}

absl::Status OutcomeOfGivenUp(absl::Status error, bool in_doubt) {
  return in_doubt ? WithUnknownOutcome(std::move(error)) : WithNothingDone(std::move(error));
}

bool SaysNothingDone(const absl::Status& error) {
  const auto mark = error.GetPayload(kOutcomeUrl);
  return mark && *mark == kNothingDone;
}

bool OutcomeIsUnknown(const absl::Status& error) {
  if (error.ok()) return false;
  if (const auto mark = error.GetPayload(kOutcomeUrl)) return *mark == kUnknown;
  const std::optional<ErrorInfo> info = GetErrorInfo(error);
  return info ? HubLeavesInDoubt(error.code(), info->reason) : TransportLeavesInDoubt(error.code());
}

bool MayPass(const absl::Status& error) {
  const ErrorReason reason = GetErrorReason(error);
  if (reason == ErrorReason::kRequestTooLarge || reason == ErrorReason::kTooManyCopies) {
    return false;
  }
  switch (error.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

bool IsTransientCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
      return true;
    default:
      return false;
  }
}

}  // namespace eventhub::client
