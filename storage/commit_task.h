// What the log's only writer carries out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "storage/commit_builder.h"

namespace eventhub {

// A request to change the log.
class CommitTask {
 public:
  virtual ~CommitTask() = default;

  // Adds the task's changes to the commit, or decides that the task fails and adds nothing. Called
  // on the commit thread, one task at a time, so whatever it checks still holds at the commit.
  virtual void Prepare(CommitBuilder& commit) = 0;

  // Receives the outcome of the commit. Tasks are done in the order in which they were prepared. OK
  // means that the changes are visible and as durable as requested. An error means that nothing was
  // written if Prepare was not called, and that the outcome is unknown if it was. Must not block.
  virtual void Done(const absl::Status& status) = 0;

  // The approximate size of the task's data, in bytes. Constant.
  virtual size_t bytes() const = 0;

  // Whether the changes must survive a power loss before Done is called.
  virtual bool synced() const = 0;
};

// Whose tasks wait together; see FairQueue. Tasks of one flow are carried out in the order of
// submission; there is no order between flows.
using CommitFlow = uint64_t;
// The flow of the hub's own tasks, and of what consumers settle.
inline constexpr CommitFlow kHubFlow = 0;

}  // namespace eventhub
