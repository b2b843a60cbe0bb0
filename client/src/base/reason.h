// Makes the reason of a nack conform to the contract.
#pragma once

#include <string>
#include <string_view>

namespace eventhub::client {

// Returns at most 512 bytes of well-formed UTF-8; malformed bytes are replaced by `?`. The hub ends
// the stream at a request with malformed strings, and what() may contain anything.
std::string CleanReason(std::string_view reason);

}  // namespace eventhub::client
