// Malicious clients: raw HTTP/2 from Host::kAttacker against a hub or a proxy in front of it, with
// a time limit. Each returns when it was cut off, or when its time is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace eventhub::abuse {

// Each attack costs the other side more than the sender. It uses `connections` concurrent
// connections, reopens closed ones, and returns the number of bytes sent.

// Streams that are opened and immediately reset, as fast as possible.
uint64_t RapidReset(const std::string& address, int connections, absl::Duration time);

// A header block that never ends.
uint64_t EndlessContinuation(const std::string& address, int connections, absl::Duration time);

// Requests with 60 MB of metadata, in one header block each.
uint64_t HugeMetadata(const std::string& address, int connections, absl::Duration time);

// On each connection, 100 calls with a message that is complete except for its last byte.
uint64_t IncompleteRequests(const std::string& address, int connections, size_t message_bytes,
                            absl::Duration time);

// On each connection, 100 calls that send only their headers.
uint64_t CallsWithoutRequests(const std::string& address, int connections, absl::Duration time);

// On each connection, 100 calls of a method of EventHubService whose responses are never read.
// `request` is encoded.
uint64_t StalledCalls(const std::string& address, int connections, const std::string& method,
                      const std::string& request, absl::Duration time);

// Connections that are opened and immediately closed. Returns their number.
uint64_t ConnectionFlood(const std::string& address, absl::Duration time);

}  // namespace eventhub::abuse
