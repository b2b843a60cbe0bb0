#include "server/rpc/delayed_event_service.h"

#include "server/rpc/unary.h"

namespace eventhub {
grpc::ServerUnaryReactor* DelayedEventService::ListDelayedEvents(
    grpc::CallbackServerContext* context, const v1::ListDelayedEventsRequest* request,
    v1::ListDelayedEventsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  pool_.Post([=, this] { FinishCall(reactor, delayed_.List(*request), response); });
  return reactor;
}

grpc::ServerUnaryReactor* DelayedEventService::CancelDelayedEvents(
    grpc::CallbackServerContext* context, const v1::CancelDelayedEventsRequest* request,
    v1::CancelDelayedEventsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  delayed_.Cancel(*request, FinishLater(reactor, response));
  return reactor;
}

}  // namespace eventhub
