// Taking the events of a request apart into those that are appended now, and those for later.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/event/event_scanner.h"
#include "server/core/publish/publish_request.h"
#include "storage/base/shared_bytes.h"

namespace eventhub {

// How far ahead a delayed event may be due.
inline constexpr absl::Duration kMaxDelay = absl::Hours(24 * 366);

struct SplitEvents {
  SharedBytes now;  // Maybe none.
  std::vector<DelayedEvent> later;
  size_t later_bytes = 0;
};

// Splits valid events, of which `scan` found some to have a time to be delivered at. None has it
// any more afterwards, and one whose time has passed is among those of now. INVALID_ARGUMENT,
// naming the event, if it is too far ahead.
absl::StatusOr<SplitEvents> SplitDelayed(const PublishRequest& request, const EventScan& scan,
                                         absl::Time now);

}  // namespace eventhub
