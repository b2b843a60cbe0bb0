// Splits the events of a request into those to append now and those to delay.
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

// The maximum delay of an event.
inline constexpr absl::Duration kMaxDelay = absl::Hours(24 * 366);

struct SplitEvents {
  SharedBytes now;  // May be empty.
  std::vector<DelayedEvent> later;
};

// Splits the valid events of a request, some of which have a delivery time according to `scan`.
// Removes the delivery time from all; an event whose time has passed is appended now.
// INVALID_ARGUMENT names an event that is delayed too far.
absl::StatusOr<SplitEvents> SplitDelayed(const v1::PublishStreamRequest& head,
                                         const SharedBytes& events, const EventScan& scan,
                                         absl::Time now);

}  // namespace eventhub
