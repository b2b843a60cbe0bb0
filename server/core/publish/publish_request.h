// A publish request, from received bytes to what the commit thread appends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/base/copy_memory.h"
#include "server/core/erasure/key_ring.h"
#include "server/core/event/event_scanner.h"
#include "server/core/publish/deduplication.h"
#include "server/core/route/route_plan.h"
#include "server/core/topic/partition_append.h"
#include "server/core/topic/topic.h"
#include "storage/base/shared_bytes.h"
#include "storage/type_summary.h"

namespace eventhub {

// A parsed request: the generated message holds all fields but the events, whose bytes stay as
// received.
struct PublishRequest {
  v1::PublishStreamRequest head;
  SharedBytes events;
  // A hub acknowledged the events before: the rules of stored events apply.
  bool accepted = false;
};

// Parses an encoded v1::PublishRequest or v1::PublishStreamRequest, which have the same fields
// except the correlation number. Copies no event if the events are the last field. INVALID_ARGUMENT
// if it is malformed.
absl::StatusOr<PublishRequest> ParsePublishRequest(const SharedBytes& message);

// An event that is stored until it is due.
struct DelayedEvent {
  uint32_t index;  // The index in the request.
  int64_t due_micros;
  std::string record;  // The stored form.
  IdentityHash identity;
};

class DelayedTable;

// The most that one request may add to the store besides the bytes of its events, in records: one
// for each partition that gets events (more if they are many), delayed event, identity and latest
// event of a key, of the topic and of those that routes copy to. The commit thread takes some
// microseconds for each, and everybody waits for it.
inline constexpr size_t kMaxRequestRecords = 5'000;

// A validated request, with its events distributed over the partitions.
struct CheckedPublish {
  std::vector<PartitionAppend> appends;  // Ordered by partition; a partition may have several.
  uint32_t count = 0;
  size_t bytes = 0;
  TypeSummary types = TypeSummary::Any();
  bool synced = false;
  // The events were acknowledged before, so there is no publisher to tell of a limit; see
  // PlanFor::kAccepted.
  bool accepted = false;
  // Events may be left out at the commit: plans keep what filters decided for each.
  bool may_shrink = false;
  // The filters take too long for the thread that received the request: it is submitted without a
  // plan, which is made before its commit like one that is outdated.
  bool deferred = false;
  std::vector<DelayedEvent> delayed;              // Not included in `appends`, `count` and `bytes`.
  DelayedTable* delayed_table = nullptr;          // For the delayed events.
  CopyMemory::Lease memory;                       // For delayed events and identities.
  size_t records = 0;                             // See kMaxRequestRecords.
  std::unique_ptr<RequestIdentities> identities;  // Null: the topic does not deduplicate.
  v1::PublishResult result;                       // Complete, except what the commit determines.
  std::unique_ptr<RoutePlan> routes;              // Null if the topic has no routes.
  // With which data of the events is sealed; the commit saves those that are new.
  std::vector<std::shared_ptr<DataKey>> keys;
};

// The bytes that a checked request adds to a commit.
size_t BytesOf(const CheckedPublish& publish);

// The budget of the memory that the request takes besides its bytes, or would have taken; null if
// it needs none.
MemoryBudget* FlowOf(Topic& topic, const CheckedPublish& publish);

// The records that the copies of a plan add; 0 if `plan` is null.
size_t RecordsOfCopies(const RoutePlan* plan);

// The text that filters may examine on a thread that serves many clients, for one request. Bytes;
// it takes a few milliseconds.
inline constexpr size_t kMaxWorkOnReceipt = size_t{4} << 20;

// Validates the whole request against the topic; delayed events will go to `delayed`. Errors: see
// hub.proto; the request has no effect. The result takes memory of `topic.copies()`. `budget`: that
// of PlanRoutes.
absl::StatusOr<CheckedPublish> CheckPublish(const PublishRequest& request, Topic& topic,
                                            DelayedTable& delayed, size_t* budget);

}  // namespace eventhub
