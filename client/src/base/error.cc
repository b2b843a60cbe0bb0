#include "eventhub/error.h"

#include "absl/strings/cord.h"
#include "client/src/base/proto_time.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {
namespace {

constexpr char kTypeUrl[] = "type.googleapis.com/eventhub.v1.ErrorDetail";

ErrorReason ReasonFromProto(int reason) {
  // A newer hub may know more reasons.
  return v1::ErrorDetail::Reason_IsValid(reason) ? static_cast<ErrorReason>(reason)
                                                 : ErrorReason::kUnspecified;
}

}  // namespace

std::string_view ErrorReasonName(ErrorReason reason) {
  const int number = static_cast<int>(reason);
  if (!v1::ErrorDetail::Reason_IsValid(number)) return "UNSPECIFIED";
  const std::string& name =
      v1::ErrorDetail::Reason_Name(static_cast<v1::ErrorDetail::Reason>(number));
  return std::string_view(name).substr(std::string_view("REASON_").size());
}

std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kTypeUrl);
  v1::ErrorDetail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  ErrorInfo info;
  info.reason = ReasonFromProto(detail.reason());
  info.field = detail.field();
  if (detail.has_event_index()) info.event_index = detail.event_index();
  if (detail.has_partition()) info.partition = detail.partition();
  if (detail.has_earliest_offset()) info.earliest_offset = detail.earliest_offset();
  if (detail.has_end_offset()) info.end_offset = detail.end_offset();
  if (detail.has_producer_epoch()) info.producer_epoch = detail.producer_epoch();
  if (detail.has_expected_sequence()) info.expected_sequence = detail.expected_sequence();
  if (detail.has_retry_delay()) info.retry_delay = FromProto(detail.retry_delay());
  if (detail.has_agreed_offset()) info.agreed_offset = detail.agreed_offset();
  return info;
}

ErrorReason GetErrorReason(const absl::Status& status) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  return info ? info->reason : ErrorReason::kUnspecified;
}

void SetErrorInfo(const ErrorInfo& info, absl::Status& status) {
  v1::ErrorDetail detail;
  detail.set_reason(static_cast<v1::ErrorDetail::Reason>(info.reason));
  detail.set_field(info.field);
  if (info.event_index) detail.set_event_index(*info.event_index);
  if (info.partition) detail.set_partition(*info.partition);
  if (info.earliest_offset) detail.set_earliest_offset(*info.earliest_offset);
  if (info.end_offset) detail.set_end_offset(*info.end_offset);
  if (info.producer_epoch) detail.set_producer_epoch(*info.producer_epoch);
  if (info.expected_sequence) detail.set_expected_sequence(*info.expected_sequence);
  if (info.retry_delay) ToProto(*info.retry_delay, *detail.mutable_retry_delay());
  if (info.agreed_offset) detail.set_agreed_offset(*info.agreed_offset);
  status.SetPayload(kTypeUrl, absl::Cord(absl::string_view(detail.SerializeAsString())));
}

}  // namespace eventhub::client
