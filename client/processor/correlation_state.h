// The state of a key at a Correlate step, as the state topic stores it; see FORMAT.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

// Times are those of the hub, in whole microseconds; infinite future: never.
struct CorrelationState {
  enum class Phase : uint8_t { kOpen = 1, kComplete = 2, kExpired = 3 };

  Phase phase = Phase::kOpen;
  absl::Time since;                               // When the first event was appended.
  absl::Time deadline = absl::InfiniteFuture();   // When it expires, if it is open.
  absl::Time forget_at = absl::InfiniteFuture();  // When it is forgotten, if it is not open.
  absl::Time timer_at = absl::InfiniteFuture();   // When the outstanding timer is due.
  // Only ids and sources, if it is not open.
  std::vector<std::shared_ptr<const v1::Event>> facts{};
};

std::string EncodeCorrelationState(const CorrelationState& state);
// DATA_LOSS if the bytes are not such a record, or have a later version.
absl::StatusOr<CorrelationState> DecodeCorrelationState(std::string_view bytes);

}  // namespace eventhub::processor::internal
