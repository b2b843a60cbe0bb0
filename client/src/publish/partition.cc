#include "eventhub/partition.h"

#include "proto/wire/event_rules.h"

namespace eventhub::client {

uint64_t KeyHash(std::string_view partition_key) {
  return wire::HashOfKey({partition_key.data(), partition_key.size()});
}

uint32_t PartitionFor(std::string_view partition_key, uint32_t partitions) {
  return wire::PartitionOfKey({partition_key.data(), partition_key.size()}, partitions);
}

}  // namespace eventhub::client
