// Events that wait for their time: published with `deliver_at` or `deliver_after`, and not appended
// yet; the values of DelayedEventClient. See eventhub/v1/delayed.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// An event that waits for its time.
struct DelayedEvent {
  std::string delay_id{};  // Names it among the delayed events of its topic.
  absl::Time due_time = absl::InfinitePast();
  std::optional<uint32_t> partition{};  // If it was published to one explicitly.
  absl::Time accept_time = absl::InfinitePast();
  v1::Event event{};
  std::string refusal{};  // It is due, and why its topic did not take it yet; else empty.
};

// Picks delayed events by when they are due.
struct DueRange {
  std::optional<absl::Time> from{};    // At this time or later.
  std::optional<absl::Time> before{};  // Before this time.
};

}  // namespace eventhub::client
