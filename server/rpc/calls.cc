#include "server/rpc/calls.h"

#include <chrono>

#include "absl/time/time.h"
#include "server/rpc/rpc_status.h"

namespace eventhub {
namespace {

// Until the hub can identify its clients.
constexpr char kAnonymous[] = "anonymous";

}  // namespace

Caller Calls::Admit(const grpc::CallbackServerContext& context) const {
  // gRPC converts the time that is left, which the client sends, to the time of the system's clock.
  const std::chrono::system_clock::time_point deadline = context.deadline();
  const absl::Duration until =
      deadline == std::chrono::system_clock::time_point::max()
          ? absl::InfiniteDuration()
          : clock_.Monotonic() + absl::FromChrono(deadline - std::chrono::system_clock::now());
  return {kAnonymous, context.peer(), clock_, until, [&context, &registry = registry_] {
            if (registry.draining()) return ShuttingDown(kReconnectDelay);
            if (context.IsCancelled()) return absl::CancelledError("the call was cancelled");
            return absl::OkStatus();
          }};
}

}  // namespace eventhub
