#include "server/rpc/request_intake.h"

#include "absl/time/time.h"
#include "proto/wire/message_fields.h"
#include "server/core/base/errors.h"
#include "server/rpc/byte_buffers.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// About what gRPC takes for a call. Such requests are not counted, so the hub can be administered
// while publishers use all memory for requests.
constexpr size_t kSmallRequest = size_t{16} << 10;

constexpr absl::Duration kRequestRetry = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<RequestLease> ReceiveRequest(const std::string& peer,
                                            const grpc::ByteBuffer& encoded,
                                            const RequestBounds& bounds, PublishLimits& limits,
                                            google::protobuf::Message* request) {
  const size_t size = encoded.Length();
  std::shared_ptr<PublishLimits::Connection> connection = limits.Connect(peer);
  connection->NoteTaken(size);
  if (size > bounds.bytes) return RequestTooLarge(size, bounds.bytes);
  ASSIGN_OR_RETURN(const SharedBytes bytes, Gather(encoded));
  ASSIGN_OR_RETURN(const wire::MessageFields fields,
                   Measure(*request->GetDescriptor(), bytes, bounds.fields));
  const size_t held = size + fields.parsed_bytes;
  if (held > limits.most_of_request()) {
    return RequestNeedsTooMuch(held, limits.most_of_request());
  }
  RequestLease lease;
  if (held > kSmallRequest) {
    if (!connection->TryHold(held)) return TooMuchInFlight(connection->culprit(), kRequestRetry);
    lease = RequestLease(std::move(connection), held);
  }
  RETURN_IF_ERROR(Parse(bytes, fields, request));
  return lease;
}

}  // namespace eventhub
