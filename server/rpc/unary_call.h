// A unary call: counts its request until it ends, and a large answer until the client has taken it.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/read/frame_budget.h"
#include "server/rpc/request_intake.h"

namespace eventhub {

// gRPC keeps the answer of a call until its client takes it, and a client that takes none may make
// hundreds of calls. So large answers count as frames: beyond the limit they are refused, and calls
// that stall others are cancelled.
//
// Deletes itself when gRPC is done with it.
class UnaryCall : public grpc::ServerUnaryReactor, private FrameBudget::Holder {
 public:
  // `response` exists as long as the call.
  UnaryCall(grpc::CallbackServerContext& context, FrameBudget& frames, grpc::ByteBuffer* response);

  // Keeps the request counted until the call ends.
  void Hold(RequestLease lease) { lease_ = std::move(lease); }

  // Each of these finishes the call. Call one of them once, on any thread.
  void Answer(const google::protobuf::Message& response);
  void Refuse(const absl::Status& status);

  void OnDone() override;

 private:
  struct Call {
    // Cancelling may run OnDone on the same thread.
    std::recursive_mutex mutex;
    grpc::CallbackServerContext* context = nullptr;  // Null when the call has ended.
  };

  // Counts an answer of this size, from now on. Returns false if answers and frames leave no memory
  // for it.
  bool Count(size_t bytes);

  void Granted(size_t) override {}
  absl::AnyInvocable<void() &&> Eviction() override;

  const std::shared_ptr<Call> call_;
  FrameBudget& frames_;
  grpc::ByteBuffer* const response_;
  RequestLease lease_;
};

// Finishes a call with the core's result; copies finish the same call. Use one of them once, at
// once or later, on any thread.
template <typename Response>
class Reply {
 public:
  explicit Reply(UnaryCall& call) : call_(&call) {}

  void operator()(const absl::StatusOr<Response>& outcome) const {
    outcome.ok() ? call_->Answer(*outcome) : call_->Refuse(outcome.status());
  }

  // A callback for a result that is one field of the response, such as
  // &v1::CreateTopicResponse::mutable_topic.
  template <typename Field>
  auto With(Field* (Response::*field)()) const {
    return [reply = *this, field](absl::StatusOr<Field> outcome) {
      if (!outcome.ok()) return reply(outcome.status());
      Response response;
      *(response.*field)() = *std::move(outcome);
      reply(std::move(response));
    };
  }

  // A callback for a response without fields.
  auto Empty() const {
    return [reply = *this](const absl::Status& status) {
      status.ok() ? reply(Response()) : reply(status);
    };
  }

 private:
  UnaryCall* call_;
};

}  // namespace eventhub
