// Finishes unary calls with the core's results.
#pragma once

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "server/rpc/answer_reactor.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/rpc_status.h"

namespace eventhub {

// The reactors below are those of Calls.

// Finishes a call with a result that is the whole response.
template <typename Response>
void FinishCall(grpc::ServerUnaryReactor* reactor, absl::StatusOr<Response> outcome,
                Response* response) {
  if (outcome.ok()) {
    const size_t bytes = outcome->ByteSizeLong();
    if (static_cast<AnswerReactor*>(reactor)->Count(bytes)) {
      *response = std::move(*outcome);
    } else {
      outcome = AnswersInFlight(bytes);
    }
  }
  reactor->Finish(ToGrpcStatus(outcome.status()));
}

// Likewise, for a method that returns raw bytes.
template <typename Response>
void FinishCall(grpc::ServerUnaryReactor* reactor, absl::StatusOr<Response> outcome,
                grpc::ByteBuffer* response) {
  if (outcome.ok()) {
    const size_t bytes = outcome->ByteSizeLong();
    if (static_cast<AnswerReactor*>(reactor)->Count(bytes)) {
      *response = Serialize(*outcome);
    } else {
      outcome = AnswersInFlight(bytes);
    }
  }
  reactor->Finish(ToGrpcStatus(outcome.status()));
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

}  // namespace eventhub
