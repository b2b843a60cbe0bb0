// A publish request, from bytes off the wire to what the commit thread appends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/producer_table.h"
#include "server/core/topic.h"
#include "storage/base/shared_bytes.h"
#include "storage/type_summary.h"

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

// Events that go to one partition, in order: no more than a batch takes, unless it is a single one.
struct PartitionAppend {
  PartitionLog* log;
  SharedBytes events;
  uint32_t count;
};

// An event that is put aside until it is due.
struct DelayedEvent {
  uint32_t index;  // In the request.
  int64_t due_micros;
  std::string record;  // As it is stored.
};

class DelayedTable;

// A request that was found valid, with its events distributed over the partitions.
struct CheckedPublish {
  std::vector<PartitionAppend> appends;  // By partition number; one may have several.
  uint32_t count = 0;
  size_t bytes = 0;
  TypeSummary types;
  bool synced = false;
  std::vector<DelayedEvent> delayed;  // Beside those in `appends`, `count` and `bytes`.
  size_t delayed_bytes = 0;
  DelayedTable* delayed_table = nullptr;  // For them.
  v1::PublishResult result;               // Complete but for what is known at the commit.
};

// Validates all of the request against the topic; `delayed` is where delayed events will go.
// Errors: see hub.proto; the request has no effect.
absl::StatusOr<CheckedPublish> CheckPublish(const PublishRequest& request, Topic& topic,
                                            DelayedTable& delayed);

}  // namespace eventhub
