// Which offset each event of a request got, from what the hub says of the request as a whole.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "eventhub/connection.h"
#include "eventhub/publisher.h"

namespace eventhub::client {

// The places of the `count` events of `body` (encoded as fields, see Batch), in their order.
// nullopt if a good reply contradicts itself or the events.
std::optional<std::vector<PublishedEvent>> LocateEvents(std::string_view body, size_t count,
                                                        const PublishReply& reply);

}  // namespace eventhub::client
