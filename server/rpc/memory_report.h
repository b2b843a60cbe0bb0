// The memory and connections that GetStats reports, in addition to the broker's statistics.
#pragma once

#include <cstddef>

#include "eventhub/v1/admin.pb.h"
#include "server/core/read/frame_budget.h"
#include "server/rpc/connection_table.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/stream_limits.h"

namespace eventhub {

// Thread-safe. The objects that it refers to outlive it.
struct MemoryReport {
  size_t limit;
  const PublishLimits& in_flight;
  const FrameBudget& frames;
  const ConnectionTable& connections;
  const StreamLimits& streams;

  void AddTo(v1::GetStatsResponse* stats) const;
};

}  // namespace eventhub
