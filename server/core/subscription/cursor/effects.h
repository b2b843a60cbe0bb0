// What operations on a cursor cause besides the change of the cursor itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "storage/base/types.h"

namespace eventhub {

namespace v1 {
class FaultDetail;
}  // namespace v1

// What a consumer reported of its failures; null: nothing.
using FaultDetails = std::shared_ptr<const std::vector<v1::FaultDetail>>;

// Why a consumer gave an event back. Converts from text alone.
struct NackReason {
  NackReason(const char* why) : text(why) {}
  NackReason(const std::string& why) : text(why) {}
  NackReason(absl::string_view why, FaultDetails reported = nullptr)
      : text(why), faults(std::move(reported)) {}

  absl::string_view text;
  FaultDetails faults;
};

// The pipelines that a redriven event is for; null: all.
using PipelineList = std::shared_ptr<const std::vector<std::string>>;
inline bool SamePipelines(const PipelineList& a, const PipelineList& b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}

// The place of a dead letter.
struct DeadLetterPlace {
  TopicId topic;
  PartitionId partition;
  Offset offset;
};

// A redriven event.
struct Redriven {
  DeadLetterPlace place;
  PipelineList pipelines{};

  // Whether an event for `those` pipelines is for all of `wanted`.
  static bool Covers(const PipelineList& those, const PipelineList& wanted);
};

// Events in flight, or credit for them.
struct Usage {
  int64_t events = 0;
  int64_t bytes = 0;
};

// Events to be given up.
struct Parked {
  PartitionId partition;
  Offset start;
  uint32_t count;
  uint32_t attempts;
  std::shared_ptr<const std::string> reason;     // Consecutive ranges share equal ones.
  std::optional<DeadLetterPlace> redriven_from;  // As in Candidate.
  FaultDetails faults{};
  PipelineList pipelines{};  // With `redriven_from`.
};

// A change of pending events that takes effect when its commit becomes visible.
struct CommitChange {
  enum class Kind : uint8_t { kSettles, kComes, kLoses };

  Offset start;
  int64_t count = 0;
  Kind kind = Kind::kSettles;
  int64_t commit = 0;
};

// Consequences of operations on cursors, besides the change itself. Operations add to it.
struct Effects {
  Effects() = default;
  explicit Effects(int64_t in) : commit(in) {}

  int64_t commit = 0;  // The commit that the operations are part of; 0: none.
  // To be passed to PartitionCursor::Complete when the commit is visible.
  std::vector<CommitChange> in_commit;
  absl::InlinedVector<std::pair<ConsumerId, Usage>, 2> released;
  absl::InlinedVector<ConsumerId, 2> overdue;  // Whose leases expired.
  std::vector<Parked> parked;
  int64_t acked = 0;
  int64_t nacked = 0;
  int64_t skipped = 0;
  int64_t expired = 0;
  int64_t lost = 0;
  std::vector<std::pair<Offset, Offset>> trimmed;
  bool more_to_deliver = false;
  bool rewound = false;  // A STREAM goes back to an earlier event.
  size_t looked_at = 0;  // Pending ranges.
};

}  // namespace eventhub
