// Makes the texts of a nack conform to the contract.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace eventhub::client {

// Returns at most 512 bytes of well-formed UTF-8; malformed bytes are replaced by `?`. The hub ends
// the stream at a request with malformed strings, and what() may contain anything.
std::string CleanReason(std::string_view reason);

// The same for any text; one that is longer than `max_bytes` ends with how much was cut.
std::string CleanText(std::string_view text, size_t max_bytes);

}  // namespace eventhub::client
