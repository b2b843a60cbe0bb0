// The values of DelayedEventClient: events published with `deliver_at` or `deliver_after` that are
// not due yet. They mirror the messages of eventhub/v1/delayed.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// An event that is not appended yet.
struct DelayedEvent {
  std::string delay_id{};  // Identifies it among the delayed events of its topic.
  absl::Time due_time = absl::InfinitePast();
  std::optional<uint32_t> partition{};  // Set if it was published to an explicit partition.
  absl::Time accept_time = absl::InfinitePast();
  v1::Event event{};
  std::string refusal{};  // Why its topic refuses it although it is due; otherwise empty.
};

// Selects delayed events by due time.
struct DueRange {
  std::optional<absl::Time> from{};    // Due at this time or later.
  std::optional<absl::Time> before{};  // Due before this time.
};

}  // namespace eventhub::client
