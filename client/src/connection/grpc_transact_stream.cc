#include "client/src/connection/grpc_transact_stream.h"

#include <grpcpp/generic/generic_stub.h>
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
    : use_(std::move(users)),
      place_(std::move(place)),
      unknown_(std::move(unknown)),
      handler_(std::move(handler)) {}

std::shared_ptr<TransactStream> GrpcTransactStream::Start(
    ChannelPool& channels, std::shared_ptr<ChannelUsers> users,
    std::shared_ptr<std::atomic<bool>> unknown, std::shared_ptr<Handler> handler) {
  auto stream = std::make_shared<GrpcTransactStream>(std::move(users), channels.TakePlace(),
                                                     std::move(unknown), std::move(handler));
  stream->self_ = stream;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::TransactStreamResponse> stub(
      stream->place_.channel());
  stub.PrepareBidiStreamingCall(&stream->context_, kTransactStreamMethod, {}, stream.get());
  stream->AddHold();
  stream->StartRead(&stream->response_);
  stream->StartCall();
  return std::shared_ptr<TransactStream>(stream.get(),
                                         [stream](TransactStream*) { stream->Cancel(); });
}

void GrpcTransactStream::Write(std::string request) {
  if (!gate_.Enter()) return;
  const grpc::Slice slice(request);
  request_ = grpc::ByteBuffer(&slice, 1);
  StartWrite(&request_);
  if (gate_.Leave()) RemoveHold();
}

void GrpcTransactStream::Cancel() { context_.TryCancel(); }

void GrpcTransactStream::OnReadDone(bool ok) {
  const GrpcThreadScope scope;
  if (!ok) {
    if (gate_.End()) RemoveHold();
    return;
  }
  replied_ = true;
  handler_->OnReply(ToReply(response_));
  StartRead(&response_);
}

void GrpcTransactStream::OnWriteDone(bool ok) {
  const GrpcThreadScope scope;
  request_.Clear();
  if (ok) handler_->OnWritten();
}

void GrpcTransactStream::OnDone(const grpc::Status& status) {
  const GrpcThreadScope scope;
  const std::shared_ptr<GrpcTransactStream> self = std::move(self_);
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && !replied_) {
    *unknown_ = true;
    handler_->OnClosed(
        WithNothingDone(absl::UnavailableError("the hub has no TransactStream; Transact is used")));
    return;
  }
  handler_->OnClosed(FromGrpc(status, context_, place_.target()));
}

}  // namespace eventhub::client
