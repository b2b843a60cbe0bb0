// Makes the unary calls of a connection: deadlines, waiting for the hub, retries, cancellation.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/connection/pending_calls.h"

namespace eventhub::client {

// Thread-safe.
class GrpcCaller {
 public:
  using Deadline = std::chrono::system_clock::time_point;
  // Makes one attempt at a call.
  using Attempt = absl::FunctionRef<grpc::Status(grpc::ClientContext& context)>;
  // Starts one attempt at a call, which calls `done` on a thread of gRPC's.
  using StartAttempt =
      std::function<void(grpc::ClientContext& context, std::function<void(grpc::Status)> done)>;

  explicit GrpcCaller(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Makes one unary call. While the hub cannot be reached it waits, until the timeout: that is
  // safe, because a call that waits has not left this process. A call that may have reached the hub
  // is not sent again, unless it `changes_nothing`; then an error also leaves nothing in doubt.
  absl::Status Call(Attempt attempt, absl::Duration timeout, bool changes_nothing);

  // Starts a call that changes nothing. Like Call, but does not block: calls `done` once, on a
  // thread of gRPC's. This object must not be destroyed before that.
  void StartQuery(StartAttempt start, Deadline deadline,
                  absl::AnyInvocable<void(absl::Status) &&> done);

  static Deadline DeadlineAfter(absl::Duration timeout);

  // Makes a single attempt at a call that changes nothing, and does not wait for the hub.
  absl::Status Probe(Attempt attempt, absl::Duration timeout);

  // Ends all calls, now and from now on, with CANCELLED.
  void Cancel() { calls_.Cancel(); }

 private:
  class Query;

  absl::Status CallOrWait(Attempt attempt, absl::Duration timeout, bool changes_nothing);
  absl::Status Run(Attempt attempt, Deadline deadline, bool wait_for_hub);
  // CANCELLED only if Cancel caused it: a call cancelled by a stopping hub, or by gRPC, is
  // UNAVAILABLE.
  absl::Status FailureOf(const grpc::Status& status, const grpc::ClientContext& context) const;

  const std::shared_ptr<grpc::Channel> channel_;
  PendingCalls calls_;
};

// A gRPC service of the hub, called through a GrpcCaller, which must outlive it. Thread-safe.
template <typename Service>
class GrpcService {
 public:
  using Stub = typename Service::Stub;
  template <typename Request, typename Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  explicit GrpcService(GrpcCaller& caller) : caller_(caller), stub_(caller.channel()) {}

  // See GrpcCaller::Call.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request,
                                absl::Duration timeout, bool changes_nothing = false) {
    Response response;
    const absl::Status status = caller_.Call(
        [&](grpc::ClientContext& context) { return (stub_.*method)(&context, request, &response); },
        timeout, changes_nothing);
    if (!status.ok()) return status;
    return response;
  }

  // The same for a call that changes nothing.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Query(Method<Request, Response> method, const Request& request,
                                 absl::Duration timeout) {
    return Call(method, request, timeout, /*changes_nothing=*/true);
  }

  // See GrpcCaller::Probe.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Probe(Method<Request, Response> method, const Request& request,
                                 absl::Duration timeout) {
    Response response;
    const absl::Status status = caller_.Probe(
        [&](grpc::ClientContext& context) { return (stub_.*method)(&context, request, &response); },
        timeout);
    if (!status.ok()) return status;
    return response;
  }

 private:
  GrpcCaller& caller_;
  Stub stub_;
};

// Requests that begin alike.

template <typename Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

template <typename Request>
void SetPage(uint32_t page_size, const std::string& page_token, Request& request) {
  request.set_page_size(page_size);
  request.set_page_token(page_token);
}

}  // namespace eventhub::client
