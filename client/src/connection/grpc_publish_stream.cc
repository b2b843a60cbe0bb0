#include "client/src/connection/grpc_publish_stream.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/slice.h>

#include <utility>

#include "client/src/connection/grpc_status.h"
#include "client/src/publish/publish_proto.h"

namespace eventhub::client {
namespace {

constexpr char kPublishMethod[] = "/eventhub.v1.EventHubService/PublishStream";

// A slice that holds a reference to the bytes.
grpc::Slice ToSlice(Bytes bytes) {
  auto* held = new Bytes(std::move(bytes));
  return grpc::Slice(
      const_cast<char*>(held->view.data()), held->view.size(),
      [](void* arg) { delete static_cast<Bytes*>(arg); }, held);
}

PublishReply ToReply(const v1::PublishStreamResponse& response) {
  PublishReply reply;
  reply.correlation_id = response.correlation_id();
  if (response.has_error()) {
    reply.status = FromProto(response.error());
    return reply;
  }
  if (!response.has_result()) {
    reply.status = absl::InternalError("the hub sent a publish reply without an outcome");
    return reply;
  }
  SetResult(response.result(), reply);
  return reply;
}

}  // namespace

GrpcPublishStream::GrpcPublishStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                                     std::shared_ptr<Handler> handler)
    : use_(std::move(users)), place_(std::move(place)), handler_(std::move(handler)) {}

std::shared_ptr<PublishStream> GrpcPublishStream::Start(ChannelPool& channels,
                                                        std::shared_ptr<ChannelUsers> users,
                                                        std::shared_ptr<Handler> handler) {
  auto stream = std::make_shared<GrpcPublishStream>(std::move(users), channels.TakePlace(),
                                                    std::move(handler));
  stream->self_ = stream;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::PublishStreamResponse> stub(
      stream->place_.channel());
  stub.PrepareBidiStreamingCall(&stream->context_, kPublishMethod, {}, stream.get());
  stream->AddHold();
  stream->StartRead(&stream->response_);
  stream->StartCall();
  return std::shared_ptr<PublishStream>(stream.get(),
                                        [stream](PublishStream*) { stream->Cancel(); });
}

void GrpcPublishStream::Write(std::string header, Bytes events) {
  if (!gate_.Enter()) return;
  const grpc::Slice slices[] = {grpc::Slice(header), ToSlice(std::move(events))};
  request_ = grpc::ByteBuffer(slices, 2);
  StartWrite(&request_);
  if (gate_.Leave()) RemoveHold();
}

void GrpcPublishStream::Cancel() { context_.TryCancel(); }

void GrpcPublishStream::OnReadDone(bool ok) {
  const GrpcThreadScope scope;
  if (!ok) {
    if (gate_.End()) RemoveHold();
    return;
  }
  handler_->OnReply(ToReply(response_));
  StartRead(&response_);
}

void GrpcPublishStream::OnWriteDone(bool ok) {
  const GrpcThreadScope scope;
  request_.Clear();
  if (ok) handler_->OnWritten();
}

void GrpcPublishStream::OnDone(const grpc::Status& status) {
  const GrpcThreadScope scope;
  const std::shared_ptr<GrpcPublishStream> self = std::move(self_);
  handler_->OnClosed(FromGrpc(status, context_, place_.target()));
}

}  // namespace eventhub::client
