// Finishes unary calls with the core's results. Long calls end early when nobody waits for them, or
// the hub shuts down.
#pragma once

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "server/core/base/errors.h"
#include "server/rpc/rpc_status.h"
#include "server/rpc/stream_registry.h"

namespace eventhub {

// Finishes a call with a result that is the whole response.
template <typename Response>
void FinishCall(grpc::ServerUnaryReactor* reactor, absl::StatusOr<Response> outcome,
                Response* response) {
  const grpc::Status status = ToGrpcStatus(outcome.status());
  if (outcome.ok()) *response = *std::move(outcome);
  reactor->Finish(status);
}

// Likewise, for a result that is known already.
template <typename Response>
grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                    absl::StatusOr<Response> outcome, Response* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  FinishCall(reactor, std::move(outcome), response);
  return reactor;
}

// Returns a callback that finishes the call with a later result; call it exactly once.
template <typename Response>
auto FinishLater(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<Response> outcome) {
    FinishCall(reactor, std::move(outcome), response);
  };
}

// Likewise, for a result that is one field of the response, such as
// &v1::CreateTopicResponse::mutable_topic.
template <typename Response, typename Field>
auto FinishLater(grpc::ServerUnaryReactor* reactor, Response* response,
                 Field* (Response::*field)()) {
  return [=](absl::StatusOr<Field> outcome) {
    const grpc::Status status = ToGrpcStatus(outcome.status());
    if (outcome.ok()) *(response->*field)() = *std::move(outcome);
    reactor->Finish(status);
  };
}

// Likewise, for a response without fields.
inline auto FinishLater(grpc::ServerUnaryReactor* reactor) {
  return [reactor](const absl::Status& status) { reactor->Finish(ToGrpcStatus(status)); };
}

// Returns whether a long call should end before it is done. The arguments live until the call
// finishes.
inline std::function<bool()> EndsEarly(const grpc::CallbackServerContext* context,
                                       const StreamRegistry& registry) {
  return [context, &registry] { return context->IsCancelled() || registry.draining(); };
}

// The status of such a call: if it ended early because of a shutdown, it was not cancelled by its
// client.
inline absl::Status WhyItEnded(const absl::Status& status, const StreamRegistry& registry) {
  if (!absl::IsCancelled(status) || !registry.draining()) return status;
  return ShuttingDown(kReconnectDelay, status.message());
}

// Like FinishLater, for such a call.
template <typename Response>
auto FinishLongCall(grpc::ServerUnaryReactor* reactor, Response* response,
                    const StreamRegistry& registry) {
  return [reactor, response, &registry](absl::StatusOr<Response> outcome) {
    if (!outcome.ok()) outcome = WhyItEnded(outcome.status(), registry);
    FinishCall(reactor, std::move(outcome), response);
  };
}

// Likewise, for a response without fields.
inline auto FinishLongCall(grpc::ServerUnaryReactor* reactor, const StreamRegistry& registry) {
  return [reactor, &registry](const absl::Status& status) {
    reactor->Finish(ToGrpcStatus(WhyItEnded(status, registry)));
  };
}

}  // namespace eventhub
