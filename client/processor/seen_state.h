// The ids that came with a key, as they are kept in the state topic; see FORMAT.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eventhub::processor::internal {

// Times are those of the hub, in whole microseconds.
struct SeenState {
  struct Id {
    absl::Time at;       // When the hub appended the event that had it first.
    int64_t offset = 0;  // Of that event.
    std::string id{};
  };

  absl::Time timer_at = absl::InfiniteFuture();  // When the one timer that is out is due.
  std::vector<Id> ids{};                         // In the order in which they came.
};

std::string EncodeSeenState(const SeenState& state);
// DATA_LOSS if the bytes are no such record, or one of a later version.
absl::StatusOr<SeenState> DecodeSeenState(std::string_view bytes);

}  // namespace eventhub::processor::internal
