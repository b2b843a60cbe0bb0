// The facade of publishing: EventHubService.Publish and PublishStream, without the network.
#pragma once

#include <cstddef>
#include <functional>

#include "absl/status/status.h"
#include "server/core/base/caller.h"
#include "server/core/base/memory_budget.h"
#include "server/core/publish/append_task.h"
#include "server/core/publish/delayed_table.h"
#include "server/core/publish/publish_request.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/log_writer.h"

namespace eventhub {

// The publish path, from here: CheckPublish (publish_request.h) -> AppendTask -> LogWriter
// (storage/) -> the task's Done().
//
// Thread-safe. The arguments outlive this object.
class Publishing {
 public:
  // `admit` accounts for bytes to append; it returns why they are refused, or OK.
  Publishing(LogWriter& writer, const TopicCatalog& topics, DelayedTable& delayed,
             std::function<absl::Status(size_t bytes)> admit);

  // Appends the events of a request. `done` may be called before this returns. Returns the budget
  // that is to be free before the next request of a stream is read; null: none.
  MemoryBudget* Publish(const Caller& caller, const PublishRequest& request, PublishDone done);

 private:
  LogWriter& writer_;
  const TopicCatalog& topics_;
  DelayedTable& delayed_;
  const std::function<absl::Status(size_t)> admit_;
};

}  // namespace eventhub
