// TransactStream over gRPC.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <memory>
#include <string>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_thread.h"
#include "client/src/connection/grpc_write_gate.h"
#include "eventhub/connection/transact_streams.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// One TransactStream call. Lifetime: keeps itself alive until gRPC is done with it.
class GrpcTransactStream final
    : public TransactStream,
      public std::enable_shared_from_this<GrpcTransactStream>,
      private grpc::ClientBidiReactor<grpc::ByteBuffer, v1::TransactStreamResponse> {
 public:
  // Starts the call, which is cancelled when the last copy of the result is dropped. If the hub
  // does not know the method, sets `unknown` and closes the stream with UNAVAILABLE: nothing was
  // done.
  static std::shared_ptr<TransactStream> Start(ChannelPool& channels,
                                               std::shared_ptr<ChannelUsers> users,
                                               std::shared_ptr<std::atomic<bool>> unknown,
                                               std::shared_ptr<Handler> handler);

  // Use Start.
  GrpcTransactStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                     std::shared_ptr<std::atomic<bool>> unknown, std::shared_ptr<Handler> handler);

  void Write(std::string request) override;
  void Cancel() override;

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const ChannelUse use_;
  const ChannelPool::Place place_;
  const std::shared_ptr<std::atomic<bool>> unknown_;
  const std::shared_ptr<Handler> handler_;
  grpc::ClientContext context_;
  WriteGate gate_;
  grpc::ByteBuffer request_;             // Of the write in progress.
  v1::TransactStreamResponse response_;  // Of the read in progress.
  bool replied_ = false;
  std::shared_ptr<GrpcTransactStream> self_;
};

}  // namespace eventhub::client
