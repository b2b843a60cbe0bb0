#include "server/rpc/publish_call.h"

#include <memory>
#include <utility>

#include "grpcpp/server_context.h"
#include "server/core/errors.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/rpc_status.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr absl::Duration kInFlightRetry = absl::Milliseconds(100);

absl::Status Start(Broker& broker, const std::shared_ptr<PublishLimits::Connection>& connection,
                   const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                   grpc::ServerUnaryReactor* reactor) {
  if (connection->spent()) return TooMuchInFlight(connection->culprit(), kInFlightRetry);
  ASSIGN_OR_RETURN(const SharedBytes message, Gather(request));
  ASSIGN_OR_RETURN(const PublishRequest publish, ParsePublishRequest(message));
  const size_t bytes = message.size();
  connection->Add(bytes);
  broker.Publish(publish, [=](absl::StatusOr<v1::PublishResult> result) {
    connection->Release(bytes);
    const grpc::Status status = ToGrpcStatus(result.status());
    if (result.ok()) {
      v1::PublishResponse answer;
      *answer.mutable_result() = *std::move(result);
      *response = Serialize(answer);
    }
    reactor->Finish(status);
  });
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* StartPublishCall(Broker& broker, PublishLimits& limits,
                                           grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::Status status =
      Start(broker, limits.Connect(context->peer()), *request, response, reactor);
  if (!status.ok()) reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace eventhub
