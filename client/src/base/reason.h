// The reason of a nack, as the contract wants it.
#pragma once

#include <string>
#include <string_view>

namespace eventhub::client {

// At most 512 bytes of well-formed UTF-8: what is not is replaced by `?`. The hub would end the
// stream at a request whose strings are not well formed, and what() may hold anything.
std::string CleanReason(std::string_view reason);

}  // namespace eventhub::client
