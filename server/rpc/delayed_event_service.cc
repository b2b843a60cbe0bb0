#include "server/rpc/delayed_event_service.h"

#include <utility>

#include "server/rpc/rpc_status.h"

namespace eventhub {
namespace {

// Ends a call with an outcome that is all of the response.
template <typename Response>
void FinishWith(grpc::ServerUnaryReactor* reactor, absl::StatusOr<Response> outcome,
                Response* response) {
  const grpc::Status status = ToGrpcStatus(outcome.status());
  if (outcome.ok()) *response = *std::move(outcome);
  reactor->Finish(status);
}

}  // namespace

grpc::ServerUnaryReactor* DelayedEventService::ListDelayedEvents(
    grpc::CallbackServerContext* context, const v1::ListDelayedEventsRequest* request,
    v1::ListDelayedEventsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  pool_.Post([=, this] { FinishWith(reactor, delayed_.List(*request), response); });
  return reactor;
}

grpc::ServerUnaryReactor* DelayedEventService::CancelDelayedEvents(
    grpc::CallbackServerContext* context, const v1::CancelDelayedEventsRequest* request,
    v1::CancelDelayedEventsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  delayed_.Cancel(*request,
                  [reactor, response](absl::StatusOr<v1::CancelDelayedEventsResponse> outcome) {
                    FinishWith(reactor, std::move(outcome), response);
                  });
  return reactor;
}

}  // namespace eventhub
