#include "server/rpc/delayed_event_service.h"

namespace eventhub {
grpc::ServerUnaryReactor* DelayedEventService::ListDelayedEvents(
    grpc::CallbackServerContext* context, const v1::ListDelayedEventsRequest* request,
    v1::ListDelayedEventsResponse* response) {
  return calls_.ServeOn(pool_, context, [=, this](const Caller& caller, auto* reactor) {
    FinishCall(reactor, delayed_.List(caller, *request), response);
  });
}

grpc::ServerUnaryReactor* DelayedEventService::CancelDelayedEvents(
    grpc::CallbackServerContext* context, const v1::CancelDelayedEventsRequest* request,
    v1::CancelDelayedEventsResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    delayed_.Cancel(caller, *request, FinishLater(reactor, response));
  });
}

}  // namespace eventhub
