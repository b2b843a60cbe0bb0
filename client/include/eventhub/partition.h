// The partition of an event with a key, computed as the hub computes it.
#pragma once

#include <cstdint>
#include <string_view>

namespace eventhub::client {

// XXH64 of the key, with seed 0.
uint64_t KeyHash(std::string_view partition_key);

// KeyHash(partition_key) modulo `partitions`, the topic's number of partitions; at least 1.
//
// Example: PartitionFor("ord-81", 16)
uint32_t PartitionFor(std::string_view partition_key, uint32_t partitions);

}  // namespace eventhub::client
