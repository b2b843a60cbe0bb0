// Clients that mean harm: raw HTTP/2 against a hub or what stands before it, from loopback, bounded
// in time. Each returns when it was cut off, or its time is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace eventhub::abuse {

// Sends what costs the other side more than it costs the sender; `connections` at once. A
// connection that is closed is opened again. Returns the bytes that were sent.

// Streams that are opened and reset at once, as fast as it goes.
uint64_t RapidReset(const std::string& address, int connections, absl::Duration time);

// A header block that never ends.
uint64_t EndlessContinuation(const std::string& address, int connections, absl::Duration time);

// Requests with 60 MB of metadata, in one header block each.
uint64_t HugeMetadata(const std::string& address, int connections, absl::Duration time);

// On each connection 100 calls whose message is announced, sent but for its last byte, and never
// completed.
uint64_t IncompleteRequests(const std::string& address, int connections, size_t message_bytes,
                            absl::Duration time);

// On each connection 100 calls of which nothing but the headers comes.
uint64_t CallsWithoutRequests(const std::string& address, int connections, absl::Duration time);

// On each connection 100 calls of Read that are never read. `request` is an encoded ReadRequest.
uint64_t StalledReads(const std::string& address, int connections, const std::string& request,
                      absl::Duration time);

// Connections that are opened and closed at once. Returns how many.
uint64_t ConnectionFlood(const std::string& address, absl::Duration time);

}  // namespace eventhub::abuse
