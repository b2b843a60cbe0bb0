// TransactStream for hubs that know only the unary Transact.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_thread.h"
#include "eventhub/connection/transact_streams.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Makes one call after another, which keeps the order. An error that is not the hub's closes it.
// Lifetime: keeps itself alive until gRPC is done with its call.
class GrpcTransactCallsInTurn final : public TransactStream,
                                      public std::enable_shared_from_this<GrpcTransactCallsInTurn> {
 public:
  // The call in progress is cancelled when the last copy of the result is dropped. Clears `unknown`
  // when it is closed: the hub that answers next may be a newer one.
  static std::shared_ptr<TransactStream> Start(ChannelPool& channels,
                                               std::shared_ptr<ChannelUsers> users,
                                               std::shared_ptr<std::atomic<bool>> unknown,
                                               std::shared_ptr<Handler> handler);

  // Use Start.
  GrpcTransactCallsInTurn(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place,
                          std::shared_ptr<std::atomic<bool>> unknown,
                          std::shared_ptr<Handler> handler);

  void Write(std::string request) override;
  void Cancel() override;

 private:
  struct Call {
    uint64_t correlation_id = 0;
    grpc::ClientContext context{};
    grpc::ByteBuffer request{};
    v1::TransactResponse response{};
  };

  void OnDone(const grpc::Status& status);

  const ChannelUse use_;
  const ChannelPool::Place place_;
  const std::shared_ptr<std::atomic<bool>> unknown_;
  const std::shared_ptr<Handler> handler_;
  Mutex mutex_;
  std::unique_ptr<Call> call_ ABSL_GUARDED_BY(mutex_);  // In progress.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub::client
