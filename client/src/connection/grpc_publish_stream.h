// PublishStream over gRPC.
#pragma once

#include <memory>
#include <string>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_bidi_stream.h"
#include "client/src/connection/grpc_thread.h"
#include "eventhub/connection.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// One PublishStream call on raw bytes, which are not copied on their way to gRPC.
class GrpcPublishStream final : public PublishStream,
                                private GrpcBidiStream<v1::PublishStreamResponse> {
 public:
  // Starts the call, which is cancelled when the last copy of the result is dropped.
  static std::shared_ptr<PublishStream> Start(ChannelPool& channels,
                                              std::shared_ptr<ChannelUsers> users,
                                              std::shared_ptr<Handler> handler);

  // Use Start.
  GrpcPublishStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                    std::shared_ptr<Handler> handler);

  void Write(std::string header, Bytes events) override;
  void Cancel() override { CancelCall(); }

 private:
  bool Receive(v1::PublishStreamResponse& response) override;
  void Written() override { handler_->OnWritten(); }
  void Ended(const grpc::Status& status) override { handler_->OnClosed(StatusOf(status)); }

  const std::shared_ptr<Handler> handler_;
};

}  // namespace eventhub::client
