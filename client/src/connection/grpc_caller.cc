#include "client/src/connection/grpc_caller.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "client/src/base/failure.h"
#include "client/src/connection/grpc_status.h"
#include "client/src/connection/grpc_thread.h"

namespace eventhub::client {
namespace {

bool MayCallAgain(const absl::Status& first, bool changes_nothing) {
  return absl::IsUnavailable(first) && (changes_nothing || SaysNothingDone(first));
}

// Then the first attempt knows the reason.
bool NeverConnected(const absl::Status& second) {
  return absl::IsDeadlineExceeded(second) && SaysNothingDone(second);
}

}  // namespace

// A call that nobody waits for. Destroys itself when it is done.
class GrpcCaller::Query {
 public:
  Query(GrpcCaller& caller, StartAttempt start, Deadline deadline,
        absl::AnyInvocable<void(absl::Status) &&> done)
      : caller_(caller), start_(std::move(start)), deadline_(deadline), done_(std::move(done)) {}

  void Run(bool wait_for_hub) {
    context_.emplace();
    context_->set_deadline(deadline_);
    context_->set_wait_for_ready(wait_for_hub);
    pending_.emplace(caller_.calls_, *context_);
    // The call may be done, and this object gone, before it returns.
    const StartAttempt start = start_;
    start(*context_, [this](const grpc::Status& status) { OnDone(status); });
  }

 private:
  void OnDone(const grpc::Status& status) {
    const GrpcThreadScope scope;
    absl::Status result = status.ok() ? absl::OkStatus() : caller_.FailureOf(status, *context_);
    pending_.reset();
    context_.reset();
    if (first_.ok() && MayCallAgain(result, /*changes_nothing=*/true)) {
      first_ = std::move(result);
      Run(/*wait_for_hub=*/true);
      return;
    }
    if (!first_.ok() && NeverConnected(result)) result = first_;
    auto done = std::move(done_);
    delete this;
    std::move(done)(result.ok() ? result : WithNothingDone(std::move(result)));
  }

  GrpcCaller& caller_;
  const StartAttempt start_;
  const Deadline deadline_;
  absl::AnyInvocable<void(absl::Status) &&> done_;
  absl::Status first_;  // The error of the first attempt, if this is the second.
  std::optional<grpc::ClientContext> context_;
  std::optional<PendingCall> pending_;
};

void GrpcCaller::StartQuery(StartAttempt start, Deadline deadline,
                            absl::AnyInvocable<void(absl::Status) &&> done) {
  (new Query(*this, std::move(start), deadline, std::move(done)))->Run(/*wait_for_hub=*/false);
}

absl::Status GrpcCaller::Call(Attempt attempt, absl::Duration timeout, bool changes_nothing) {
  absl::Status status = CallOrWait(attempt, timeout, changes_nothing);
  if (status.ok() || !changes_nothing) return status;
  return WithNothingDone(std::move(status));
}

absl::Status GrpcCaller::Probe(Attempt attempt, absl::Duration timeout) {
  absl::Status status = Run(attempt, DeadlineAfter(timeout), /*wait_for_hub=*/false);
  return status.ok() ? status : WithNothingDone(std::move(status));
}

absl::Status GrpcCaller::CallOrWait(Attempt attempt, absl::Duration timeout, bool changes_nothing) {
  const Deadline deadline = DeadlineAfter(timeout);
  // gRPC does not tell why it waits, so the first attempt does not wait.
  absl::Status first = Run(attempt, deadline, /*wait_for_hub=*/false);
  if (!MayCallAgain(first, changes_nothing)) return first;
  absl::Status second = Run(attempt, deadline, /*wait_for_hub=*/true);
  return NeverConnected(second) ? first : second;
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
  absl::Status failure = FromGrpc(status, context);
  if (!absl::IsCancelled(failure) || calls_.cancelled()) return failure;
  absl::Status unavailable = absl::UnavailableError(failure.message());
  failure.ForEachPayload([&unavailable](absl::string_view url, const absl::Cord& payload) {
    unavailable.SetPayload(url, payload);
  });
  return unavailable;
}

}  // namespace eventhub::client
