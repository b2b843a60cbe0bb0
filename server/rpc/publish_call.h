// The unary methods of EventHubService: Publish and Transact.
#pragma once

#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/broker.h"
#include "server/rpc/publish_limits.h"

namespace eventhub {

// These serve one call. Both buffers stay valid until it finishes.
void ServePublish(Broker& broker, PublishLimits& limits, const Caller& caller,
                  const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                  grpc::ServerUnaryReactor* reactor);
void ServeTransact(Broker& broker, PublishLimits& limits, const Caller& caller,
                   const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                   grpc::ServerUnaryReactor* reactor);

}  // namespace eventhub
