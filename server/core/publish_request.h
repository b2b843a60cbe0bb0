// A publish request, from bytes off the wire to what the commit thread appends.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/partition_append.h"
#include "server/core/route/route_plan.h"
#include "server/core/topic.h"
#include "storage/base/shared_bytes.h"

namespace eventhub {

// A request taken apart: the generated message has all fields but the events, whose bytes stay as
// they came.
struct PublishRequest {
  v1::PublishStreamRequest head;
  SharedBytes events;
};

// Takes apart an encoded v1::PublishRequest or v1::PublishStreamRequest, which have the same fields
// but for the correlation number. No event is copied if the events are the last field.
// INVALID_ARGUMENT if it is not well-formed.
absl::StatusOr<PublishRequest> ParsePublishRequest(const SharedBytes& message);

// A request that was found valid, with its events distributed over the partitions.
struct CheckedPublish {
  std::vector<PartitionAppend> appends;  // By partition number; one may have several.
  uint32_t count = 0;
  size_t bytes = 0;
  bool synced = false;
  v1::PublishResult result;  // Complete but for the placements, which are known at the commit.
  std::unique_ptr<RoutePlan> routes;  // Null if the topic has no routes.
};

// Validates all of the request against the topic. Errors: see hub.proto; the request has no effect.
absl::StatusOr<CheckedPublish> CheckPublish(const PublishRequest& request, Topic& topic);

}  // namespace eventhub
