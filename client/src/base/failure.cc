#include "client/src/base/failure.h"

#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "eventhub/error.h"

namespace eventhub::client {
namespace {

// The mark; the value is for people, who see it when the status is printed.
constexpr char kOutcomeUrl[] = "eventhub.client.outcome";
constexpr char kNothingDone[] = "nothing was done";
constexpr char kUnknown[] = "unknown";

absl::Status Marked(absl::Status error, const char* mark) {
  error.SetPayload(kOutcomeUrl, absl::Cord(mark));
  return error;
}

// Of the hub's own codes, see hub.proto.
bool HubLeavesInDoubt(absl::StatusCode code, ErrorReason reason) {
  if (reason == ErrorReason::kSequenceTooOld) return true;  // Done, in fact; where is forgotten.
  return code == absl::StatusCode::kUnavailable;
}

// All that gRPC gives by itself, and that its library makes of the HTTP status of a proxy. The
// other codes it leaves to programs: here they are the SDK's, which found a request wrong before it
// left.
bool TransportLeavesInDoubt(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:          // By this side, or RST_STREAM from another.
    case absl::StatusCode::kUnknown:            // No status came, or one that is none; HTTP others.
    case absl::StatusCode::kDeadlineExceeded:   // The reply did not come in time.
    case absl::StatusCode::kResourceExhausted:  // Memory quotas, ENHANCE_YOUR_CALM, sizes.
    case absl::StatusCode::kUnavailable:        // Connections that break; HTTP 429, 502 to 504.
    case absl::StatusCode::kInternal:           // Frames or messages that are not well-formed.
    case absl::StatusCode::kUnimplemented:      // No such method, or no message in a reply; 404.
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
  if (GetErrorReason(error) == ErrorReason::kRequestTooLarge) return false;
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

}  // namespace eventhub::client
