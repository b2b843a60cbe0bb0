#include "server/rpc/publish_call.h"

#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "server/core/base/errors.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/rpc_status.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr absl::Duration kInFlightRetry = absl::Milliseconds(100);

// The common part of both methods: the limits, and the form of failures. `parse` returns the parsed
// request, and sets what it takes besides its bytes. `call` receives it and a callback for the
// outcome, which it calls exactly once.
template <typename Request, typename Response>
void ServeCall(
    PublishLimits& limits, const Caller& caller, const grpc::ByteBuffer& request,
    grpc::ByteBuffer* response, grpc::ServerUnaryReactor* reactor,
    absl::FunctionRef<absl::StatusOr<Request>(const SharedBytes&, size_t*)> parse,
    absl::FunctionRef<void(const Request&, absl::AnyInvocable<void(absl::StatusOr<Response>) &&>)>
        call) {
  const std::shared_ptr<PublishLimits::Connection> connection = limits.Connect(caller.peer());
  const auto start = [&]() -> absl::Status {
    RETURN_IF_ERROR(caller.Interruption());  // No part of the request is done.
    if (connection->spent()) {
      connection->NoteTaken(request.Length());
      return TooMuchInFlight(connection->culprit(), kInFlightRetry);
    }
    ASSIGN_OR_RETURN(const SharedBytes message, Gather(request));
    connection->NoteTaken(message.size());
    size_t parsed_bytes = 0;
    ASSIGN_OR_RETURN(const Request parsed, parse(message, &parsed_bytes));
    const size_t bytes = message.size() + parsed_bytes;
    connection->Hold(bytes);
    call(parsed, [connection, bytes, response, reactor](absl::StatusOr<Response> outcome) {
      connection->Release(bytes);
      if (outcome.ok()) *response = Serialize(*outcome);
      reactor->Finish(ToGrpcStatus(outcome.status()));
    });
    return absl::OkStatus();
  };
  if (const absl::Status status = start(); !status.ok()) reactor->Finish(ToGrpcStatus(status));
}

}  // namespace

void ServePublish(Publishing& publishing, PublishLimits& limits, const Caller& caller,
                  const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                  grpc::ServerUnaryReactor* reactor) {
  ServeCall<PublishRequest, v1::PublishResponse>(
      limits, caller, request, response, reactor,
      [](const SharedBytes& message, size_t*) { return ParsePublishRequest(message); },
      [&](const PublishRequest& publish, auto done) {
        publishing.Publish(
            caller, publish,
            [done = std::move(done)](absl::StatusOr<v1::PublishResult> result) mutable {
              if (!result.ok()) return std::move(done)(result.status());
              v1::PublishResponse answer;
              *answer.mutable_result() = *std::move(result);
              std::move(done)(std::move(answer));
            });
      });
}

void ServeTransact(Transactions& transactions, PublishLimits& limits, const Caller& caller,
                   const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                   grpc::ServerUnaryReactor* reactor) {
  ServeCall<TransactionRequest, v1::TransactResponse>(
      limits, caller, request, response, reactor,
      [](const SharedBytes& message, size_t* parsed_bytes) {
        absl::StatusOr<TransactionRequest> transaction = ParseTransaction(message);
        if (transaction.ok()) *parsed_bytes = transaction->parsed_bytes;
        return transaction;
      },
      [&](const TransactionRequest& transaction, auto done) {
        transactions.Transact(caller, transaction, std::move(done));
      });
}

}  // namespace eventhub
