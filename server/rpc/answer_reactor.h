// The reactor of a unary call: counts a large answer until the client has taken it.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/read/frame_budget.h"

namespace eventhub {

// An answer of this size has no memory now.
absl::Status AnswersInFlight(size_t bytes);

// gRPC keeps the answer of a call until its client takes it, and a client that takes none may make
// hundreds of calls. So large answers count as frames: beyond the limit they are refused, and calls
// that stall others are cancelled.
//
// Deletes itself when gRPC is done with it.
class AnswerReactor final : public grpc::ServerUnaryReactor, private FrameBudget::Holder {
 public:
  AnswerReactor(grpc::CallbackServerContext& context, FrameBudget& frames)
      : call_(std::make_shared<Call>()), frames_(frames) {
    call_->context = &context;
  }

  // Counts an answer of this size, from now on. Call it once, before Finish. Returns false if
  // answers and frames leave no memory for it.
  bool Count(size_t bytes);

  void OnDone() override;

 private:
  struct Call {
    // Cancelling may run OnDone on the same thread.
    std::recursive_mutex mutex;
    grpc::CallbackServerContext* context = nullptr;  // Null when the call has ended.
  };

  void Granted(size_t) override {}
  absl::AnyInvocable<void() &&> Eviction() override;

  const std::shared_ptr<Call> call_;
  FrameBudget& frames_;
};

}  // namespace eventhub
