// The unary method EventHubService.Publish.
#pragma once

#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/broker.h"
#include "server/rpc/publish_limits.h"

namespace eventhub {

// Answers one call. Both buffers stay valid until the call finishes.
grpc::ServerUnaryReactor* StartPublishCall(Broker& broker, PublishLimits& limits,
                                           grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response);

// Likewise for EventHubService.Transact.
grpc::ServerUnaryReactor* StartTransactCall(Broker& broker, PublishLimits& limits,
                                            grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response);

}  // namespace eventhub
