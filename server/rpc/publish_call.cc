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

// The common part of both methods: the limits, and the form of failures. `call` receives the bytes
// and a callback for the outcome, which it calls exactly once if it returns OK.
template <typename Response>
void ServeCall(PublishLimits& limits, const Caller& caller, const grpc::ByteBuffer& request,
               grpc::ByteBuffer* response, grpc::ServerUnaryReactor* reactor,
               absl::FunctionRef<absl::Status(
                   const SharedBytes&, absl::AnyInvocable<void(absl::StatusOr<Response>) &&>)>
                   call) {
  const std::shared_ptr<PublishLimits::Connection> connection = limits.Connect(caller.peer());
  const auto start = [&]() -> absl::Status {
    RETURN_IF_ERROR(caller.Interruption());  // No part of the request is done.
    if (connection->spent()) {
      connection->NoteTaken(request.Length());
      return TooMuchInFlight(connection->culprit(), kInFlightRetry);
    }
    ASSIGN_OR_RETURN(const SharedBytes message, Gather(request));
    const size_t bytes = message.size();
    connection->Add(bytes);
    const absl::Status status =
        call(message, [connection, bytes, response, reactor](absl::StatusOr<Response> outcome) {
          connection->Release(bytes);
          if (outcome.ok()) *response = Serialize(*outcome);
          reactor->Finish(ToGrpcStatus(outcome.status()));
        });
    if (!status.ok()) connection->Release(bytes);
    return status;
  };
  if (const absl::Status status = start(); !status.ok()) reactor->Finish(ToGrpcStatus(status));
}

}  // namespace

void ServePublish(Publishing& publishing, PublishLimits& limits, const Caller& caller,
                  const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                  grpc::ServerUnaryReactor* reactor) {
  ServeCall<v1::PublishResponse>(
      limits, caller, request, response, reactor,
      [&](const SharedBytes& message, auto done) -> absl::Status {
        ASSIGN_OR_RETURN(const PublishRequest publish, ParsePublishRequest(message));
        publishing.Publish(
            caller, publish,
            [done = std::move(done)](absl::StatusOr<v1::PublishResult> result) mutable {
              if (!result.ok()) return std::move(done)(result.status());
              v1::PublishResponse answer;
              *answer.mutable_result() = *std::move(result);
              std::move(done)(std::move(answer));
            });
        return absl::OkStatus();
      });
}

void ServeTransact(Transactions& transactions, PublishLimits& limits, const Caller& caller,
                   const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                   grpc::ServerUnaryReactor* reactor) {
  ServeCall<v1::TransactResponse>(limits, caller, request, response, reactor,
                                  [&](const SharedBytes& message, auto done) -> absl::Status {
                                    ASSIGN_OR_RETURN(const TransactionRequest transaction,
                                                     ParseTransaction(message));
                                    transactions.Transact(caller, transaction, std::move(done));
                                    return absl::OkStatus();
                                  });
}

}  // namespace eventhub
