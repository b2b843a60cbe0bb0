// DelayedEventService: passes messages to and from core's delayed events.
#pragma once

#include "eventhub/v1/delayed.grpc.pb.h"
#include "server/core/delayed/delayed_events.h"
#include "server/rpc/calls.h"
#include "server/rpc/unary_service.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. Lists are read from disk, on a
// pool.
class DelayedEventService final : public UnaryService<v1::DelayedEventService> {
 public:
  DelayedEventService(DelayedEvents& delayed, WorkPool& pool, const Calls& calls);
};

}  // namespace eventhub
