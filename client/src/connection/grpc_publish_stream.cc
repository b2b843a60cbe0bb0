#include "client/src/connection/grpc_publish_stream.h"

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
    : GrpcBidiStream(std::move(users), std::move(place)), handler_(std::move(handler)) {}

std::shared_ptr<PublishStream> GrpcPublishStream::Start(ChannelPool& channels,
                                                        std::shared_ptr<ChannelUsers> users,
                                                        std::shared_ptr<Handler> handler) {
  auto stream = std::make_shared<GrpcPublishStream>(std::move(users), channels.TakePlace(),
                                                    std::move(handler));
  stream->Begin(kPublishMethod, stream);
  return CancelledWhenDropped<PublishStream>(std::move(stream));
}

void GrpcPublishStream::Write(std::string header, Bytes events) {
  const grpc::Slice slices[] = {grpc::Slice(header), ToSlice(std::move(events))};
  Send(grpc::ByteBuffer(slices, 2));
}

bool GrpcPublishStream::Receive(v1::PublishStreamResponse& response) {
  handler_->OnReply(ToReply(response));
  return true;
}

}  // namespace eventhub::client
