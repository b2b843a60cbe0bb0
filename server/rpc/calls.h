// How every call begins: the caller is identified here, and nowhere else.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/base/caller.h"
#include "server/core/base/errors.h"
#include "server/core/read/frame_budget.h"
#include "server/rpc/answer_reactor.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/stream_limits.h"
#include "server/rpc/stream_registry.h"
#include "server/rpc/unary.h"
#include "storage/base/work_pool.h"
#include "storage/commit_task.h"

namespace eventhub {

// All methods of all services, except those of health, are served through these functions: whatever
// must be decided before a call has an effect is decided in Admit.
//
// Thread-safe. The arguments outlive the calls.
class Calls {
 public:
  // Large answers of unary calls are counted in `frames`.
  Calls(const StreamRegistry& registry, StreamLimits& limits, FrameBudget& frames,
        const Clock& clock)
      : registry_(registry), limits_(limits), frames_(frames), clock_(clock) {}

  // Serves a unary call: `serve(caller, reactor)` finishes it, at once or later. gRPC keeps the
  // method's request and response until then.
  template <typename Method>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, Method serve) const {
    grpc::ServerUnaryReactor* const reactor = new AnswerReactor(*context, frames_);
    serve(Admit(*context), reactor);
    return reactor;
  }

  // Likewise, for a method whose answers are small; allocates nothing. Its results are not for
  // FinishCall and FinishLater.
  template <typename Method>
  grpc::ServerUnaryReactor* ServeSmall(grpc::CallbackServerContext* context, Method serve) const {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    serve(Admit(*context), reactor);
    return reactor;
  }

  // Like Serve, on a thread of the pool.
  template <typename Method>
  grpc::ServerUnaryReactor* ServeOn(WorkPool& pool, grpc::CallbackServerContext* context,
                                    Method serve) const {
    grpc::ServerUnaryReactor* const reactor = new AnswerReactor(*context, frames_);
    pool.Post([caller = Admit(*context), reactor, serve = std::move(serve)]() mutable {
      serve(caller, reactor);
    });
    return reactor;
  }

  // Likewise, with the response that `answer(caller)` returns.
  template <typename Response, typename Method>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, Response* response,
                                   Method answer) const {
    return Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
      FinishCall<Response>(reactor, answer(caller), response);
    });
  }

  // Starts a stream of the type `Reactor`, if its host may open another: `start(caller, place)`
  // returns it. The stream keeps the caller for all of its requests.
  template <typename Reactor, typename Start>
  Reactor* Open(grpc::CallbackServerContext* context, Start start) const {
    Caller caller = Admit(*context);
    std::optional<StreamLimits::Place> place = limits_.Take(caller.peer());
    if (!place.has_value()) {
      return new RefusedStream<Reactor>(TooManyStreams(limits_.most(), kReconnectDelay));
    }
    return start(std::move(caller).OnStream(streams_.fetch_add(1, std::memory_order_relaxed) + 1),
                 *std::move(place));
  }

 private:
  // Identifies the caller.
  Caller Admit(const grpc::CallbackServerContext& context) const;

  const StreamRegistry& registry_;
  StreamLimits& limits_;
  FrameBudget& frames_;
  const Clock& clock_;
  mutable std::atomic<CommitFlow> streams_{0};  // Opened so far.
};

}  // namespace eventhub
