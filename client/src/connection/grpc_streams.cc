#include "client/src/connection/grpc_streams.h"

#include <new>
#include <utility>

#include "client/src/connection/grpc_consume_stream.h"
#include "client/src/connection/grpc_publish_stream.h"
#include "client/src/connection/grpc_read_stream.h"
#include "client/src/connection/grpc_transact_calls_in_turn.h"
#include "client/src/connection/grpc_transact_stream.h"

namespace eventhub::client {
namespace {

constexpr absl::Duration kStreamsEndWithin = absl::Seconds(5);

}  // namespace

GrpcStreams::~GrpcStreams() {
  if (users_->AwaitNone(kStreamsEndWithin)) return;
  // A cancelled stream ends at once. Should gRPC ever lose one, the program must still be able to
  // end. Then the channels leak: their last reference must not be dropped on a thread of gRPC's.
  static_cast<void>(new (std::nothrow) std::shared_ptr<ChannelPool>(channels_));
}

std::shared_ptr<PublishStream> GrpcStreams::OpenPublishStream(
    std::shared_ptr<PublishStream::Handler> handler) {
  return GrpcPublishStream::Start(*channels_, users_, std::move(handler));
}

std::unique_ptr<ReadStream> GrpcStreams::OpenReadStream(const ReadSpec& spec) {
  return std::make_unique<GrpcReadStream>(*channels_, spec);
}

std::shared_ptr<ConsumeStream> GrpcStreams::OpenConsumeStream(
    std::shared_ptr<ConsumeStream::Handler> handler) {
  return GrpcConsumeStream::Start(*channels_, users_, std::move(handler));
}

std::shared_ptr<TransactStream> GrpcStreams::OpenTransactStream(
    std::shared_ptr<TransactStream::Handler> handler) {
  const auto start =
      *no_transact_stream_ ? GrpcTransactCallsInTurn::Start : GrpcTransactStream::Start;
  return start(*channels_, users_, no_transact_stream_, std::move(handler));
}

}  // namespace eventhub::client
