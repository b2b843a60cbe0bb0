// Derives the offset of each event of a request from the reply to the request.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// Returns the places of the `count` events of `body` (encoded as fields, see Batch), in order.
// nullopt if a successful reply contradicts itself or the events.
std::optional<std::vector<PublishedEvent>> LocateEvents(std::string_view body, size_t count,
                                                        const PublishReply& reply);
// The same for events that are messages.
std::optional<std::vector<PublishedEvent>> LocateEvents(const std::vector<v1::Event>& events,
                                                        const PublishReply& reply);

}  // namespace eventhub::client
