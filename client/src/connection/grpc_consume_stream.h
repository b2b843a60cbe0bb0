// ConsumeStream over gRPC.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_thread.h"
#include "client/src/connection/grpc_write_gate.h"
#include "eventhub/connection.h"

namespace eventhub::client {

// One Consume call on raw bytes. A response is copied only if it arrived in several pieces.
// Lifetime: keeps itself alive until gRPC is done with it.
class GrpcConsumeStream final
    : public ConsumeStream,
      private grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // Starts the call, which is cancelled when the last copy of the result is dropped.
  static std::shared_ptr<ConsumeStream> Start(ChannelPool& channels,
                                              std::shared_ptr<ChannelUsers> users,
                                              std::shared_ptr<Handler> handler);

  // Use Start.
  GrpcConsumeStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                    std::shared_ptr<Handler> handler);

  void Write(std::string request) override;
  void Cancel() override;

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const ChannelUse use_;
  const ChannelPool::Place place_;
  const std::shared_ptr<Handler> handler_;
  grpc::ClientContext context_;
  WriteGate gate_;
  grpc::ByteBuffer request_;   // Of the write in progress.
  grpc::ByteBuffer response_;  // Of the read in progress.
  std::shared_ptr<GrpcConsumeStream> self_;
};

}  // namespace eventhub::client
