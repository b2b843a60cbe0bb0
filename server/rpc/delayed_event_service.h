// DelayedEventService: passes generated messages to and from core's delayed events.
#pragma once

#include "eventhub/v1/delayed.grpc.pb.h"
#include "server/core/delayed/delayed_events.h"
#include "server/rpc/calls.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. Lists are read from disk, on a
// pool.
class DelayedEventService final : public v1::DelayedEventService::CallbackService {
 public:
  DelayedEventService(DelayedEvents& delayed, WorkPool& pool, const Calls& calls)
      : delayed_(delayed), pool_(pool), calls_(calls) {}

  grpc::ServerUnaryReactor* ListDelayedEvents(grpc::CallbackServerContext* context,
                                              const v1::ListDelayedEventsRequest* request,
                                              v1::ListDelayedEventsResponse* response) override;
  grpc::ServerUnaryReactor* CancelDelayedEvents(grpc::CallbackServerContext* context,
                                                const v1::CancelDelayedEventsRequest* request,
                                                v1::CancelDelayedEventsResponse* response) override;

 private:
  DelayedEvents& delayed_;
  WorkPool& pool_;
  const Calls& calls_;
};

}  // namespace eventhub
