#include "client/src/connection/grpc_consume_stream.h"

#include <grpcpp/support/slice.h>

#include <utility>

#include "client/src/connection/grpc_frame.h"

namespace eventhub::client {
namespace {

constexpr char kConsumeMethod[] = "/eventhub.v1.EventHubService/Consume";

}  // namespace

GrpcConsumeStream::GrpcConsumeStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                                     std::shared_ptr<Handler> handler)
    : GrpcBidiStream(std::move(users), std::move(place)), handler_(std::move(handler)) {}

std::shared_ptr<ConsumeStream> GrpcConsumeStream::Start(ChannelPool& channels,
                                                        std::shared_ptr<ChannelUsers> users,
                                                        std::shared_ptr<Handler> handler) {
  auto stream = std::make_shared<GrpcConsumeStream>(std::move(users), channels.TakePlace(),
                                                    std::move(handler));
  stream->Begin(kConsumeMethod, stream);
  return CancelledWhenDropped<ConsumeStream>(std::move(stream));
}

void GrpcConsumeStream::Write(std::string request) {
  const grpc::Slice slice(request);
  Send(grpc::ByteBuffer(&slice, 1));
}

bool GrpcConsumeStream::Receive(grpc::ByteBuffer& response) {
  Bytes frame;
  if (!TakeFrame(response, frame).ok()) return false;
  handler_->OnFrame(std::move(frame));
  return true;
}

}  // namespace eventhub::client
