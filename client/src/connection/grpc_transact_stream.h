// TransactStream over gRPC.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_bidi_stream.h"
#include "client/src/connection/grpc_thread.h"
#include "eventhub/connection/transact_streams.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// One TransactStream call.
class GrpcTransactStream final : public TransactStream,
                                 private GrpcBidiStream<v1::TransactStreamResponse> {
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
  void Cancel() override { CancelCall(); }

 private:
  bool Receive(v1::TransactStreamResponse& response) override;
  void Written() override { handler_->OnWritten(); }
  void Ended(const grpc::Status& status) override;

  const std::shared_ptr<std::atomic<bool>> unknown_;
  const std::shared_ptr<Handler> handler_;
  bool replied_ = false;
};

}  // namespace eventhub::client
