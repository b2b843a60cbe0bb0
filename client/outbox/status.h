// The parts of an outbox's status that are the same with and without a sending process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "eventhub/outbox.h"

namespace eventhub::client::outbox {

// Sets the totals.
void AddUp(OutboxStatus& status);

// The line to log when events of a topic turn out to be lost.
std::string LostLine(const std::string& topic, uint64_t events);

absl::Status NoSuchTopic(std::string_view topic);

}  // namespace eventhub::client::outbox
