// The unary methods of EventHubService: Publish and Transact.
#pragma once

#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/publish/publishing.h"
#include "server/core/transaction/transactions.h"
#include "server/rpc/publish_limits.h"

namespace eventhub {

// These serve one call. Both buffers stay valid until it finishes.
void ServePublish(Publishing& publishing, PublishLimits& limits, const Caller& caller,
                  const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                  grpc::ServerUnaryReactor* reactor);
void ServeTransact(Transactions& transactions, PublishLimits& limits, const Caller& caller,
                   const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                   grpc::ServerUnaryReactor* reactor);

}  // namespace eventhub
