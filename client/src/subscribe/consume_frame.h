// A parsed response of Consume.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/bytes.h"
#include "eventhub/event_batch.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// The fields of a ConsumeResponse; see there. The batches are views of the response.
struct ConsumeFrame {
  std::vector<EventBatch> batches{};
  bool caught_up = false;
  bool fell_behind = false;
  std::optional<v1::ConsumeOpened> opened{};
  std::vector<v1::PartitionLease> assigned{};
  std::vector<v1::PartitionLease> draining{};
  std::vector<v1::PartitionLease> revoked{};
  std::vector<v1::Settlement> settlements{};
  std::vector<v1::TrimmedRange> trimmed{};
  std::vector<v1::PartitionOffset> rewound{};
  std::optional<google::protobuf::Duration> ack_deadline{};
};

// Parses a ConsumeResponse. DATA_LOSS if `bytes` are malformed.
absl::StatusOr<ConsumeFrame> ParseConsumeFrame(const Bytes& bytes);

}  // namespace eventhub::client
