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
  enum class Readiness {
    kReady,
    // What was computed before the task was submitted does not hold any more: Renew is called
    // first.
    kOutdated,
    // It would outdate tasks that are being renewed: asked again once one of them is prepared.
    kBlocked,
  };

  virtual ~CommitTask() = default;

  // Whether Prepare may be called now. Called on the commit thread, immediately before Prepare and
  // at other times.
  virtual Readiness readiness() { return Readiness::kReady; }

  // Whether the task may outdate others. Those behind it in its flow are not renewed before it.
  virtual bool outdates() const { return false; }

  // Computes again what is outdated. Called on another thread, while later tasks of the flow wait.
  virtual void Renew() {}
  // Called on the commit thread before Renew, and when the task is then ready: what it depends on
  // must not change in between, so a task is renewed once.
  virtual void BeginRenewal() {}
  virtual void EndRenewal() {}

  // Called instead of Prepare if the task is not ready and the writer renews no more: the task
  // fails and adds nothing.
  virtual void Refuse() {}

  // Outdated tasks of one lane are renewed one after another; lanes take turns.
  virtual uint64_t renewal_lane() const { return 0; }

  // Adds the task's changes to the commit, or decides that the task fails and adds nothing. Called
  // on the commit thread, one task at a time, so whatever it checks still holds at the commit.
  virtual void Prepare(CommitBuilder& commit) = 0;

  // Receives the outcome of the commit. Tasks are done in the order in which they were prepared. OK
  // means that the changes are visible and as durable as requested. An error means that nothing was
  // written if Prepare was not called, and that the outcome is unknown if it was. Must not block.
  virtual void Done(const absl::Status& status) = 0;

  // The approximate size of the task's data, in bytes. Only Renew changes it.
  virtual size_t bytes() const = 0;

  // Whether the changes must survive a power loss before Done is called.
  virtual bool synced() const = 0;

 private:
  friend class LogWriter;
  bool renewing_ = false;
};

// Whose tasks wait together; see FairQueue. Tasks of one flow are carried out in the order of
// submission; there is no order between flows.
using CommitFlow = uint64_t;
// The flow of the hub's own tasks, and of what consumers settle.
inline constexpr CommitFlow kHubFlow = 0;

}  // namespace eventhub
