#include "server/rpc/hub_service.h"

#include <utility>

#include "server/rpc/consume_stream.h"
#include "server/rpc/publish_call.h"
#include "server/rpc/publish_stream.h"
#include "server/rpc/transact_stream.h"

namespace eventhub {
namespace {

using BytesWriter = grpc::ServerWriteReactor<grpc::ByteBuffer>;
using BytesBidi = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

}  // namespace

HubService::HubService(Broker& broker, PublishLimits& limits, ReadPools pools,
                       StreamRegistry& registry, const Calls& calls)
    : UnaryService(calls), broker_(broker), limits_(limits), pools_(pools), registry_(registry) {
  ServeOn(pools.disk, kNameRequest,
          [&broker](const Caller& caller, const v1::GetLatestRequest& request) {
            return broker.readers().Latest(caller, request);
          });
}

grpc::ServerUnaryReactor* HubService::Publish(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) {
  return calls().ServeSmall(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    ServePublish(broker_.publishing(), limits_, caller, *request, response, reactor);
  });
}

BytesBidi* HubService::PublishStream(grpc::CallbackServerContext* context) {
  return calls().Open<BytesBidi>(context, [&](Caller caller, StreamLimits::Place place) {
    return eventhub::PublishStream::Start(broker_.publishing(), limits_, registry_,
                                          std::move(caller), std::move(place));
  });
}

BytesWriter* HubService::Read(grpc::CallbackServerContext* context,
                              const grpc::ByteBuffer* request) {
  return calls().Open<BytesWriter>(context, [&](Caller caller, StreamLimits::Place place) {
    return ReadStream::Start(broker_.readers(), pools_, limits_, registry_, std::move(caller),
                             std::move(place), context, *request);
  });
}

grpc::ServerUnaryReactor* HubService::Transact(grpc::CallbackServerContext* context,
                                               const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) {
  return calls().ServeSmall(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    ServeTransact(broker_.transactions(), limits_, caller, *request, response, reactor);
  });
}

BytesBidi* HubService::TransactStream(grpc::CallbackServerContext* context) {
  return calls().Open<BytesBidi>(context, [&](Caller caller, StreamLimits::Place place) {
    return eventhub::TransactStream::Start(broker_.transactions(), limits_, registry_,
                                           std::move(caller), std::move(place));
  });
}

BytesBidi* HubService::Consume(grpc::CallbackServerContext* context) {
  return calls().Open<BytesBidi>(context, [&](Caller caller, StreamLimits::Place place) {
    return ConsumeStream::Start(broker_.subscriptions(), pools_, limits_, registry_,
                                std::move(caller), std::move(place), context);
  });
}

}  // namespace eventhub
