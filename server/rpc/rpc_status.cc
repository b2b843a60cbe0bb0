#include "server/rpc/rpc_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eventhub {
namespace {

// Messages repeat what the client sent, and travel in trailers, whose size clients limit.
constexpr size_t kMaxMessageBytes = 1024;

std::string Shortened(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t end = kMaxMessageBytes;
  while ((message[end] & 0xc0) == 0x80) --end;  // Not within a character.
  return absl::StrCat(message.substr(0, end), "...");
}

}  // namespace

v1::ErrorStatus ToErrorStatus(const absl::Status& status) {
  v1::ErrorStatus error;
  error.set_code(static_cast<int>(status.code()));
  error.set_message(Shortened(status.message()));
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
  const v1::ErrorStatus error = ToErrorStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(error.code()), error.message(),
                      error.SerializeAsString());
}

}  // namespace eventhub
