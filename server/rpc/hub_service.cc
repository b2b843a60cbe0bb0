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

grpc::ServerUnaryReactor* HubService::Publish(grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) {
  return calls_.ServeSmall(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    ServePublish(broker_.publishing(), limits_, caller, *request, response, reactor);
  });
}

BytesBidi* HubService::PublishStream(grpc::CallbackServerContext* context) {
  return calls_.Open<BytesBidi>(context, [&](Caller caller, StreamLimits::Place place) {
    return eventhub::PublishStream::Start(broker_.publishing(), limits_, registry_,
                                          std::move(caller), std::move(place));
  });
}

BytesWriter* HubService::Read(grpc::CallbackServerContext* context,
                              const grpc::ByteBuffer* request) {
  return calls_.Open<BytesWriter>(context, [&](Caller caller, StreamLimits::Place place) {
    return ReadStream::Start(broker_.readers(), pools_, registry_, std::move(caller),
                             std::move(place), context, *request);
  });
}

grpc::ServerUnaryReactor* HubService::Transact(grpc::CallbackServerContext* context,
                                               const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) {
  return calls_.ServeSmall(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    ServeTransact(broker_.transactions(), limits_, caller, *request, response, reactor);
  });
}

BytesBidi* HubService::TransactStream(grpc::CallbackServerContext* context) {
  return calls_.Open<BytesBidi>(context, [&](Caller caller, StreamLimits::Place place) {
    return eventhub::TransactStream::Start(broker_.transactions(), limits_, registry_,
                                           std::move(caller), std::move(place));
  });
}

BytesBidi* HubService::Consume(grpc::CallbackServerContext* context) {
  return calls_.Open<BytesBidi>(context, [&](Caller caller, StreamLimits::Place place) {
    return ConsumeStream::Start(broker_.subscriptions(), pools_, limits_, registry_,
                                std::move(caller), std::move(place), context);
  });
}

grpc::ServerUnaryReactor* HubService::GetLatest(grpc::CallbackServerContext* context,
                                                const v1::GetLatestRequest* request,
                                                v1::GetLatestResponse* response) {
  return calls_.ServeOn(pools_.disk, context, [=, this](const Caller& caller, auto* reactor) {
    FinishCall(reactor, broker_.readers().Latest(caller, *request), response);
  });
}

}  // namespace eventhub
