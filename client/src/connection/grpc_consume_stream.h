// ConsumeStream over gRPC.
#pragma once

#include <memory>
#include <string>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_bidi_stream.h"
#include "client/src/connection/grpc_thread.h"
#include "eventhub/connection.h"

namespace eventhub::client {

// One Consume call on raw bytes. A response is copied only if it arrived in several pieces.
class GrpcConsumeStream final : public ConsumeStream, private GrpcBidiStream<grpc::ByteBuffer> {
 public:
  // Starts the call, which is cancelled when the last copy of the result is dropped.
  static std::shared_ptr<ConsumeStream> Start(ChannelPool& channels,
                                              std::shared_ptr<ChannelUsers> users,
                                              std::shared_ptr<Handler> handler);

  // Use Start.
  GrpcConsumeStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                    std::shared_ptr<Handler> handler);

  void Write(std::string request) override;
  void Cancel() override { CancelCall(); }

 private:
  // A response that cannot be decoded can be reported only by ending the call.
  bool Receive(grpc::ByteBuffer& response) override;
  void Written() override { handler_->OnWritten(); }
  void Ended(const grpc::Status& status) override { handler_->OnClosed(FromGrpc(status)); }

  const std::shared_ptr<Handler> handler_;
};

}  // namespace eventhub::client
