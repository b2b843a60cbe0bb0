#include "client/src/connection/grpc_transact_stream.h"

#include <grpcpp/support/slice.h>

#include <utility>

#include "client/src/base/failure.h"
#include "client/src/connection/grpc_status.h"
#include "client/src/publish/transaction_proto.h"

namespace eventhub::client {
namespace {

constexpr char kTransactStreamMethod[] = "/eventhub.v1.EventHubService/TransactStream";

TransactReply ToReply(const v1::TransactStreamResponse& response) {
  TransactReply reply;
  reply.correlation_id = response.correlation_id();
  if (response.has_error()) {
    reply.status = FromProto(response.error());
  } else if (response.has_result()) {
    SetResult(response.result(), reply);
  } else {
    reply.status = absl::InternalError("the hub sent a reply without an outcome");
  }
  return reply;
}

}  // namespace

GrpcTransactStream::GrpcTransactStream(std::shared_ptr<ChannelUsers> users,
                                       ChannelPool::Place place,
                                       std::shared_ptr<std::atomic<bool>> unknown,
                                       std::shared_ptr<Handler> handler)
    : GrpcBidiStream(std::move(users), std::move(place)),
      unknown_(std::move(unknown)),
      handler_(std::move(handler)) {}

std::shared_ptr<TransactStream> GrpcTransactStream::Start(
    ChannelPool& channels, std::shared_ptr<ChannelUsers> users,
    std::shared_ptr<std::atomic<bool>> unknown, std::shared_ptr<Handler> handler) {
  auto stream = std::make_shared<GrpcTransactStream>(std::move(users), channels.TakePlace(),
                                                     std::move(unknown), std::move(handler));
  stream->Begin(kTransactStreamMethod, stream);
  return CancelledWhenDropped<TransactStream>(std::move(stream));
}

void GrpcTransactStream::Write(std::string request) {
  const grpc::Slice slice(request);
  Send(grpc::ByteBuffer(&slice, 1));
}

bool GrpcTransactStream::Receive(v1::TransactStreamResponse& response) {
  replied_ = true;
  handler_->OnReply(ToReply(response));
  return true;
}

void GrpcTransactStream::Ended(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && !replied_) {
    *unknown_ = true;
    handler_->OnClosed(
        WithNothingDone(absl::UnavailableError("the hub has no TransactStream; Transact is used")));
    return;
  }
  handler_->OnClosed(StatusOf(status));
}

}  // namespace eventhub::client
