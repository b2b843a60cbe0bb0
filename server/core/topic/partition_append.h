// Events grouped by partition, and how the events of a request are distributed.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "storage/base/shared_bytes.h"
#include "storage/partition_log.h"

namespace eventhub {

// Events for one partition, in order: at most a batch, unless it is a single event.
struct PartitionAppend {
  PartitionLog* log;
  SharedBytes events;
  uint32_t count;
};

// Groups and copies events by partition, preserving their order. Event i, with the bytes
// `event(i)`, goes to partition `partition_of[i]`; `bytes` is the total size. The result is ordered
// by partition. If `order` is given, it is set to the indices of the events in their new order.
std::vector<PartitionAppend> Distribute(const std::vector<uint32_t>& partition_of,
                                        absl::FunctionRef<absl::string_view(uint32_t i)> event,
                                        size_t bytes, const std::vector<PartitionLog*>& partitions,
                                        std::vector<uint32_t>* order = nullptr);

}  // namespace eventhub
