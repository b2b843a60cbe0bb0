// Which offset each event of a request got, from what the hub says of the request as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"

namespace eventhub::client {

// The places of all events of `body` (encoded events as fields, see Batch), in their order, if the
// topic had `partitions` partitions when they were appended. nullopt if it cannot have had, because
// the placements do not add up; `partitions` is not looked at if there is only one placement.
std::optional<std::vector<PublishedEvent>> LocateEvents(std::string_view body,
                                                        absl::Span<const Placement> placements,
                                                        std::optional<uint32_t> keyless_partition,
                                                        uint32_t partitions);

}  // namespace eventhub::client
