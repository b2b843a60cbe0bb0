// DelayedEventCalls over gRPC.
#pragma once

#include <string>
#include <vector>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/delayed_event_calls.h"
#include "eventhub/v1/delayed.grpc.pb.h"

namespace eventhub::client {

// The delayed events of a topic, through DelayedEventService. Thread-safe.
class GrpcDelayedEventCalls final : public DelayedEventCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcDelayedEventCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<Page<DelayedEvent>> ListDelayedEvents(const std::string& topic,
                                                       const DueRange& range, uint32_t page_size,
                                                       const std::string& page_token,
                                                       absl::Duration timeout) override;
  absl::StatusOr<uint32_t> CancelDelayedEvents(const std::string& topic,
                                               const std::vector<std::string>& delay_ids,
                                               absl::Duration timeout) override;

 private:
  using Stub = v1::DelayedEventService::Stub;

  GrpcService<v1::DelayedEventService> service_;
};

}  // namespace eventhub::client
