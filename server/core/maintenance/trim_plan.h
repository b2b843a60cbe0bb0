// Where the partitions of a topic are to begin: made by TrimPlanner, carried out by TrimTask.
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
    LogPosition start;  // Behind where the partition begins.
    // With keep_until_acked: the first event that some subscription needed when the plan was made.
    Offset needed = Offset::Max();
    // As in CommitBuilder::Trim.
    std::vector<Offset> batches{};
  };

  // By which the plan was made; by others there would be another.
  TopicSettings settings;
  std::vector<Cut> cuts;
};

}  // namespace eventhub
