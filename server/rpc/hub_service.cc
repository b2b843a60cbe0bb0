#include "server/rpc/hub_service.h"

#include <optional>
#include <utility>

#include "grpcpp/server_context.h"
#include "server/core/base/errors.h"
#include "server/rpc/consume_stream.h"
#include "server/rpc/publish_call.h"
#include "server/rpc/publish_stream.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/rpc_status.h"
#include "server/rpc/transact_stream.h"

namespace eventhub {
namespace {

using BytesWriter = grpc::ServerWriteReactor<grpc::ByteBuffer>;
using BytesBidi = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// No part of the request is done.
grpc::ServerUnaryReactor* RefuseBecauseOfShutdown(grpc::CallbackServerContext* context) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(ShuttingDown(kReconnectDelay)));
  return reactor;
}

// Starts a stream of type `Reactor`, if its host may open another: `start` receives the place.
template <typename Reactor, typename Start>
Reactor* StartStream(StreamLimits& limits, grpc::CallbackServerContext* context, Start start) {
  std::optional<StreamLimits::Place> place = limits.Take(context->peer());
  if (!place.has_value()) {
    return new RefusedStream<Reactor>(TooManyStreams(limits.most(), kReconnectDelay));
  }
  return start(*std::move(place));
}

}  // namespace

grpc::ServerUnaryReactor* HubService::Publish(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) {
  if (registry_.draining()) return RefuseBecauseOfShutdown(context);
  return StartPublishCall(broker_, limits_, context, request, response);
}

BytesBidi* HubService::PublishStream(grpc::CallbackServerContext* context) {
  return StartStream<BytesBidi>(stream_limits_, context, [&](StreamLimits::Place place) {
    return eventhub::PublishStream::Start(broker_, limits_.Connect(context->peer()), registry_,
                                          std::move(place));
  });
}

BytesWriter* HubService::Read(grpc::CallbackServerContext* context,
                              const grpc::ByteBuffer* request) {
  return StartStream<BytesWriter>(stream_limits_, context, [&](StreamLimits::Place place) {
    return ReadStream::Start(broker_, pools_, registry_, std::move(place), context, *request);
  });
}

grpc::ServerUnaryReactor* HubService::Transact(grpc::CallbackServerContext* context,
                                               const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) {
  if (registry_.draining()) return RefuseBecauseOfShutdown(context);
  return StartTransactCall(broker_, limits_, context, request, response);
}

BytesBidi* HubService::TransactStream(grpc::CallbackServerContext* context) {
  return StartStream<BytesBidi>(stream_limits_, context, [&](StreamLimits::Place place) {
    return eventhub::TransactStream::Start(broker_, limits_.Connect(context->peer()), registry_,
                                           std::move(place));
  });
}

BytesBidi* HubService::Consume(grpc::CallbackServerContext* context) {
  return StartStream<BytesBidi>(stream_limits_, context, [&](StreamLimits::Place place) {
    return ConsumeStream::Start(broker_, pools_, limits_, registry_, std::move(place), context);
  });
}

}  // namespace eventhub
