// A stream that is refused immediately.
#pragma once

#include "absl/status/status.h"
#include "server/rpc/rpc_status.h"

namespace eventhub {

// Derives from the reactor type of the method. gRPC owns it.
template <typename Reactor>
class RefusedStream final : public Reactor {
 public:
  explicit RefusedStream(const absl::Status& why) { this->Finish(ToGrpcStatus(why)); }

  void OnDone() override { delete this; }
};

}  // namespace eventhub
