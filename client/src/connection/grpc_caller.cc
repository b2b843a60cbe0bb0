#include "client/src/connection/grpc_caller.h"

#include <algorithm>
#include <utility>

#include "client/src/base/failure.h"
#include "client/src/connection/grpc_status.h"

namespace eventhub::client {

absl::Status GrpcCaller::Call(Attempt attempt, absl::Duration timeout, bool changes_nothing) {
  absl::Status status = CallOrWait(attempt, timeout, changes_nothing);
  if (status.ok() || !changes_nothing) return status;
  return WithNothingDone(std::move(status));
}

absl::Status GrpcCaller::Probe(Attempt attempt, absl::Duration timeout) {
  return Run(attempt, DeadlineAfter(timeout), /*wait_for_hub=*/false);
}

absl::Status GrpcCaller::CallOrWait(Attempt attempt, absl::Duration timeout, bool changes_nothing) {
  const Deadline deadline = DeadlineAfter(timeout);
  // gRPC does not tell why it waits, so the first attempt does not wait.
  absl::Status first = Run(attempt, deadline, /*wait_for_hub=*/!ReportsUnsentCalls(target_));
  const bool may_call_again =
      absl::IsUnavailable(first) && (changes_nothing || SaysNothingDone(first));
  if (!may_call_again) return first;
  absl::Status second = Run(attempt, deadline, /*wait_for_hub=*/true);
  const bool never_connected = absl::IsDeadlineExceeded(second) && SaysNothingDone(second);
  return never_connected ? first : second;
}

absl::Status GrpcCaller::Run(Attempt attempt, Deadline deadline, bool wait_for_hub) {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  context.set_wait_for_ready(wait_for_hub);
  const PendingCall pending(calls_, context);
  const grpc::Status status = attempt(context);
  return status.ok() ? absl::OkStatus() : FailureOf(status, context);
}

GrpcCaller::Deadline GrpcCaller::DeadlineAfter(absl::Duration timeout) {
  return std::chrono::system_clock::now() +
         absl::ToChronoMicroseconds(std::min(timeout, absl::Hours(24 * 365)));
}

absl::Status GrpcCaller::FailureOf(const grpc::Status& status,
                                   const grpc::ClientContext& context) const {
  absl::Status failure = FromGrpc(status, context, target_);
  if (!absl::IsCancelled(failure) || calls_.cancelled()) return failure;
  absl::Status unavailable = absl::UnavailableError(failure.message());
  failure.ForEachPayload([&unavailable](absl::string_view url, const absl::Cord& payload) {
    unavailable.SetPayload(url, payload);
  });
  return unavailable;
}

}  // namespace eventhub::client
