// Ends unary calls with what the core answers: a response as a whole, or a status.
#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "server/rpc/rpc_status.h"

namespace eventhub {

// Ends a call with an outcome that is all of the response.
template <typename Response>
void FinishCall(grpc::ServerUnaryReactor* reactor, absl::StatusOr<Response> outcome,
                Response* response) {
  const grpc::Status status = ToGrpcStatus(outcome.status());
  if (outcome.ok()) *response = *std::move(outcome);
  reactor->Finish(status);
}

// The same for an outcome that is there already.
template <typename Response>
grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                    absl::StatusOr<Response> outcome, Response* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  FinishCall(reactor, std::move(outcome), response);
  return reactor;
}

// The same for one that comes later: gives what is to be called then, once.
template <typename Response>
auto FinishLater(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<Response> outcome) {
    FinishCall(reactor, std::move(outcome), response);
  };
}

}  // namespace eventhub
