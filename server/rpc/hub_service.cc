#include "server/rpc/hub_service.h"

#include "grpcpp/server_context.h"
#include "server/rpc/consume_stream.h"
#include "server/rpc/publish_call.h"
#include "server/rpc/publish_stream.h"

namespace eventhub {

grpc::ServerUnaryReactor* HubService::Publish(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) {
  return StartPublishCall(broker_, limits_, context, request, response);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* HubService::PublishStream(
    grpc::CallbackServerContext* context) {
  return eventhub::PublishStream::Start(broker_, limits_.Connect(context->peer()), registry_);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* HubService::Read(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request) {
  return ReadStream::Start(broker_, pools_, registry_, context, *request);
}

grpc::ServerUnaryReactor* HubService::Transact(grpc::CallbackServerContext* context,
                                               const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) {
  return StartTransactCall(broker_, limits_, context, request, response);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* HubService::Consume(
    grpc::CallbackServerContext* context) {
  return ConsumeStream::Start(broker_, pools_, limits_, registry_, context);
}

}  // namespace eventhub
