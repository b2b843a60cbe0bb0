// PublishStream over gRPC.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_thread.h"
#include "client/src/connection/grpc_write_gate.h"
#include "eventhub/connection.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// One PublishStream call on raw bytes, which are not copied on their way to gRPC. Lifetime: keeps
// itself alive until gRPC is done with it.
class GrpcPublishStream final
    : public PublishStream,
      public std::enable_shared_from_this<GrpcPublishStream>,
      private grpc::ClientBidiReactor<grpc::ByteBuffer, v1::PublishStreamResponse> {
 public:
  // Starts the call, which is cancelled when the last copy of the result is dropped.
  static std::shared_ptr<PublishStream> Start(ChannelPool& channels,
                                              std::shared_ptr<ChannelUsers> users,
                                              std::shared_ptr<Handler> handler);

  // Use Start.
  GrpcPublishStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                    std::shared_ptr<Handler> handler);

  void Write(std::string header, Bytes events) override;
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
  grpc::ByteBuffer request_;            // Of the write in progress.
  v1::PublishStreamResponse response_;  // Of the read in progress.
  std::shared_ptr<GrpcPublishStream> self_;
};

}  // namespace eventhub::client
