// Events that go to one partition together, and how those of a request come to be so.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "storage/base/shared_bytes.h"
#include "storage/partition_log.h"

namespace eventhub {

// Events that go to one partition, in order: no more than a batch takes, unless it is a single one.
struct PartitionAppend {
  PartitionLog* log;
  SharedBytes events;
  uint32_t count;
};

// Copies the events of each partition together, in order. Event i, whose bytes are `event(i)`, goes
// to partition `partition_of[i]`; all have `bytes` together. The result is by partition number.
// `order`, if it is given, becomes the indices in the order that the events have then.
std::vector<PartitionAppend> Distribute(const std::vector<uint32_t>& partition_of,
                                        absl::FunctionRef<absl::string_view(uint32_t i)> event,
                                        size_t bytes, const std::vector<PartitionLog*>& partitions,
                                        std::vector<uint32_t>* order = nullptr);

}  // namespace eventhub
