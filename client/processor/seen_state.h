// The ids of a key at a durable SkipRepeats, as the state topic stores them; see FORMAT.md.
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
    absl::Time at;       // When the hub appended the first event with the id.
    int64_t offset = 0;  // Of that event.
    std::string id{};
  };

  absl::Time timer_at = absl::InfiniteFuture();  // When the outstanding timer is due.
  std::vector<Id> ids{};                         // In the order of their arrival.
};

std::string EncodeSeenState(const SeenState& state);
// DATA_LOSS if the bytes are not such a record, or have a later version.
absl::StatusOr<SeenState> DecodeSeenState(std::string_view bytes);

}  // namespace eventhub::processor::internal
