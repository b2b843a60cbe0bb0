// A stream that is refused at once.
#pragma once

#include "absl/status/status.h"
#include "server/rpc/rpc_status.h"

namespace eventhub {

// Of the kind of a method's reactor. gRPC holds it.
template <typename Reactor>
class RefusedStream final : public Reactor {
 public:
  explicit RefusedStream(const absl::Status& why) { this->Finish(ToGrpcStatus(why)); }

  void OnDone() override { delete this; }
};

}  // namespace eventhub
