#include "client/src/connection/grpc_consume_stream.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/slice.h>

#include <utility>

#include "client/src/connection/grpc_frame.h"
#include "client/src/connection/grpc_status.h"

namespace eventhub::client {
namespace {

constexpr char kConsumeMethod[] = "/eventhub.v1.EventHubService/Consume";

}  // namespace

GrpcConsumeStream::GrpcConsumeStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                                     std::shared_ptr<Handler> handler)
    : use_(std::move(users)), place_(std::move(place)), handler_(std::move(handler)) {}

std::shared_ptr<ConsumeStream> GrpcConsumeStream::Start(ChannelPool& channels,
                                                        std::shared_ptr<ChannelUsers> users,
                                                        std::shared_ptr<Handler> handler) {
  auto stream = std::make_shared<GrpcConsumeStream>(std::move(users), channels.TakePlace(),
                                                    std::move(handler));
  stream->self_ = stream;
  grpc::GenericStub stub(stream->place_.channel());
  stub.PrepareBidiStreamingCall(&stream->context_, kConsumeMethod, {}, stream.get());
  stream->AddHold();
  stream->StartRead(&stream->response_);
  stream->StartCall();
  return std::shared_ptr<ConsumeStream>(stream.get(),
                                        [stream](ConsumeStream*) { stream->Cancel(); });
}

void GrpcConsumeStream::Write(std::string request) {
  if (!gate_.Enter()) return;
  const grpc::Slice slice(request);
  request_ = grpc::ByteBuffer(&slice, 1);
  StartWrite(&request_);
  if (gate_.Leave()) RemoveHold();
}

void GrpcConsumeStream::Cancel() { context_.TryCancel(); }

void GrpcConsumeStream::OnReadDone(bool ok) {
  const GrpcThreadScope scope;
  Bytes frame;
  // A response that cannot be decoded can be reported only by ending the call.
  if (ok && !TakeFrame(response_, frame).ok()) {
    context_.TryCancel();
    ok = false;
  }
  if (!ok) {
    if (gate_.End()) RemoveHold();
    return;
  }
  handler_->OnFrame(std::move(frame));
  StartRead(&response_);
}

void GrpcConsumeStream::OnWriteDone(bool ok) {
  const GrpcThreadScope scope;
  request_.Clear();
  if (ok) handler_->OnWritten();
}

void GrpcConsumeStream::OnDone(const grpc::Status& status) {
  const GrpcThreadScope scope;
  const std::shared_ptr<GrpcConsumeStream> self = std::move(self_);
  handler_->OnClosed(FromGrpc(status));
}

}  // namespace eventhub::client
