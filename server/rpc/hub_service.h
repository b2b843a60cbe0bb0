// EventHubService: its methods receive and send raw bytes, so events are never parsed, except that
// GetLatest returns one event.
#pragma once

#include "eventhub/v1/hub.grpc.pb.h"
#include "server/core/broker.h"
#include "server/rpc/calls.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/read_stream.h"
#include "server/rpc/stream_registry.h"
#include "server/rpc/unary_service.h"

namespace eventhub {

using RawHubService = v1::EventHubService::WithRawCallbackMethod_Publish<
    v1::EventHubService::WithRawCallbackMethod_PublishStream<
        v1::EventHubService::WithRawCallbackMethod_Read<
            v1::EventHubService::WithRawCallbackMethod_Consume<
                v1::EventHubService::WithRawCallbackMethod_Transact<
                    v1::EventHubService::WithRawCallbackMethod_TransactStream<
                        v1::EventHubService::Service>>>>>>;

// Thread-safe. The constructor's arguments outlive this object.
class HubService final : public UnaryService<v1::EventHubService, RawHubService> {
 public:
  HubService(Broker& broker, PublishLimits& limits, ReadPools pools, StreamRegistry& registry,
             const Calls& calls);

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* PublishStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Read(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* Transact(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* TransactStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Consume(
      grpc::CallbackServerContext* context) override;

 private:
  Broker& broker_;
  PublishLimits& limits_;
  const ReadPools pools_;
  StreamRegistry& registry_;
};

}  // namespace eventhub
