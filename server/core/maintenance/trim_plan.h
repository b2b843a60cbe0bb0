// The new starts of a topic's partitions: made by TrimPlanner, applied by TrimTask.
#pragma once

#include <vector>

#include "server/core/topic/topic.h"
#include "storage/base/types.h"
#include "storage/partition_log.h"
#include "storage/record_batch.h"

namespace eventhub {

struct TrimPlan {
  struct Cut {
    PartitionLog* log;
    LogPosition start;  // After the current start of the partition.
    // With keep_until_acked: the first event that any subscription needed when the plan was made.
    Offset needed = Offset::Max();
    // See CommitBuilder::Trim.
    std::vector<Offset> batches{};
    // The first event that was to be kept for the lake when the plan was made.
    Offset unarchived = Offset::Max();
  };

  // The settings used for the plan; others would yield another plan.
  TopicSettings settings;
  std::vector<Cut> cuts;
};

}  // namespace eventhub
