// A publish request, from bytes off the wire to what the commit thread appends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/event/event_scanner.h"
#include "server/core/publish/deduplication.h"
#include "server/core/route/route_plan.h"
#include "server/core/topic/partition_append.h"
#include "server/core/topic/topic.h"
#include "storage/base/shared_bytes.h"
#include "storage/type_summary.h"

namespace eventhub {

// A request taken apart: the generated message has all fields but the events, whose bytes stay as
// they came.
struct PublishRequest {
  v1::PublishStreamRequest head;
  SharedBytes events;
  // A hub acknowledged the events before: the rules are those of stored events.
  bool accepted = false;
};

// Takes apart an encoded v1::PublishRequest or v1::PublishStreamRequest, which have the same fields
// but for the correlation number. No event is copied if the events are the last field.
// INVALID_ARGUMENT if it is not well-formed.
absl::StatusOr<PublishRequest> ParsePublishRequest(const SharedBytes& message);

// An event that is put aside until it is due.
struct DelayedEvent {
  uint32_t index;  // In the request.
  int64_t due_micros;
  std::string record;  // As it is stored.
  IdentityHash identity;
};

class DelayedTable;

// A request that was found valid, with its events distributed over the partitions.
struct CheckedPublish {
  std::vector<PartitionAppend> appends;  // By partition number; one may have several.
  uint32_t count = 0;
  size_t bytes = 0;
  TypeSummary types = TypeSummary::Any();
  bool synced = false;
  // The events were acknowledged before, so that nobody is left to be told of a limit: a route
  // skips what its target is too small for, whatever it does otherwise.
  bool accepted = false;
  std::vector<DelayedEvent> delayed;  // Beside those in `appends`, `count` and `bytes`.
  size_t delayed_bytes = 0;
  DelayedTable* delayed_table = nullptr;          // For them.
  std::unique_ptr<RequestIdentities> identities;  // Null: the topic does not deduplicate.
  v1::PublishResult result;                       // Complete but for what is known at the commit.
  std::unique_ptr<RoutePlan> routes;              // Null if the topic has no routes.
};

// What a checked request adds to a commit. Bytes.
size_t BytesOf(const CheckedPublish& publish);

// Validates all of the request against the topic; `delayed` is where delayed events will go.
// Errors: see hub.proto; the request has no effect.
absl::StatusOr<CheckedPublish> CheckPublish(const PublishRequest& request, Topic& topic,
                                            DelayedTable& delayed);

}  // namespace eventhub
