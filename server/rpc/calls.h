// How every call begins: the caller is identified here, and nowhere else.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/base/caller.h"
#include "server/core/base/errors.h"
#include "server/core/read/frame_budget.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/request_bounds.h"
#include "server/rpc/request_intake.h"
#include "server/rpc/stream_limits.h"
#include "server/rpc/stream_registry.h"
#include "server/rpc/unary_call.h"
#include "storage/base/work_pool.h"
#include "storage/commit_task.h"

namespace eventhub {

// All methods of all services are served through these functions: whatever must be decided before a
// call has an effect is decided in Admit.
//
// Thread-safe. The arguments outlive the calls.
class Calls {
 public:
  // Requests of unary calls are counted in `requests`, large answers in `frames`.
  Calls(const StreamRegistry& registry, StreamLimits& streams, PublishLimits& requests,
        FrameBudget& frames, const Clock& clock)
      : registry_(registry),
        stream_limits_(streams),
        requests_(requests),
        frames_(frames),
        clock_(clock) {}

  // Serves a unary call with an administrative request: `serve(caller, call, request)` finishes it,
  // at once or later, on this thread or, unless null, a thread of the pool. `serve` outlives the
  // call, and the request lives as long as the call. A request that cannot be received is refused.
  template <typename Request, typename Method>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const RequestBounds& bounds,
                                  WorkPool* pool, const grpc::ByteBuffer& encoded,
                                  grpc::ByteBuffer* response, const Method& serve) const {
    struct CallWithRequest final : UnaryCall {
      using UnaryCall::UnaryCall;
      Request request;
    };
    Caller caller = Admit(*context);
    auto* const call = new CallWithRequest(*context, frames_, response);
    absl::StatusOr<RequestLease> lease =
        ReceiveRequest(caller.peer(), encoded, bounds, requests_, &call->request);
    if (!lease.ok()) {
      call->Refuse(lease.status());
      return call;
    }
    call->Hold(*std::move(lease));
    if (pool == nullptr) {
      serve(caller, *call, call->request);
    } else {
      pool->Post(
          [caller = std::move(caller), call, &serve] { serve(caller, *call, call->request); });
    }
    return call;
  }

  // Serves a unary call whose request the method receives and counts itself, and whose answers are
  // small; allocates nothing.
  template <typename Method>
  grpc::ServerUnaryReactor* ServeSmall(grpc::CallbackServerContext* context, Method serve) const {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    serve(Admit(*context), reactor);
    return reactor;
  }

  // Starts a stream of the type `Reactor`, if its host may open another: `start(caller, place)`
  // returns it. The stream keeps the caller for all of its requests.
  template <typename Reactor, typename Start>
  Reactor* Open(grpc::CallbackServerContext* context, Start start) const {
    Caller caller = Admit(*context);
    std::optional<StreamLimits::Place> place = stream_limits_.Take(caller.peer());
    if (!place.has_value()) {
      return new RefusedStream<Reactor>(TooManyStreams(stream_limits_.most(), kReconnectDelay));
    }
    return start(std::move(caller).OnStream(streams_.fetch_add(1, std::memory_order_relaxed) + 1),
                 *std::move(place));
  }

 private:
  // Identifies the caller.
  Caller Admit(const grpc::CallbackServerContext& context) const;

  const StreamRegistry& registry_;
  StreamLimits& stream_limits_;
  PublishLimits& requests_;
  FrameBudget& frames_;
  const Clock& clock_;
  mutable std::atomic<CommitFlow> streams_{0};  // Opened so far.
};

}  // namespace eventhub
