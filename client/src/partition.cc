#include "eventhub/partition.h"

#include <xxhash.h>

namespace eventhub::client {

uint64_t KeyHash(std::string_view partition_key) {
  return XXH64(partition_key.data(), partition_key.size(), 0);
}

uint32_t PartitionFor(std::string_view partition_key, uint32_t partitions) {
  return static_cast<uint32_t>(KeyHash(partition_key) % partitions);
}

}  // namespace eventhub::client
