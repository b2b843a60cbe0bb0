// The order in which tasks are committed: flows take turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/commit_task.h"

namespace eventhub {

// Divides the commit thread between flows, so that one with many bytes waiting does not delay the
// others by more than its share: deficit round robin by bytes. A flow with nothing waiting when its
// task arrives is served before those that wait for their next turn, but all such flows together
// get at most every second turn (compare FQ-CoDel, RFC 8290).
//
// A flow takes memory only while it has tasks here or owes bytes. Not thread-safe.
class FairQueue {
 public:
  // The bytes that a flow may take per turn. The excess of a larger task is a debt, paid in later
  // turns.
  static constexpr int64_t kTurnBytes = 64 * 1024;

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // Without the tasks of flows that are held.
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  void Push(CommitFlow flow, std::unique_ptr<CommitTask> task);
  // Removes the task whose turn it is; stores its flow in `flow`, unless null. The queue must not
  // be empty.
  std::unique_ptr<CommitTask> Pop(CommitFlow* flow = nullptr);

  // The tasks of the flow wait until Resume.
  void Hold(CommitFlow flow);
  // Ends Hold. `first` come before the tasks that wait; they were removed from this flow.
  void Resume(CommitFlow flow, std::vector<std::unique_ptr<CommitTask>> first);
  bool holds_flows() const { return !held_.empty(); }

 private:
  struct Flow {
    CommitFlow id = kHubFlow;
    int64_t credit = 0;  // Bytes left in this turn; its turn is over when none are left.
    std::deque<std::unique_ptr<CommitTask>> tasks;
  };

  std::unique_ptr<CommitTask> TakeFrom(Flow& flow);
  void Forget(Flow& flow);
  void ForgetAll();

  size_t size_ = 0;
  absl::flat_hash_map<CommitFlow, std::unique_ptr<Flow>> flows_;
  // Each flow is in one of these; the first is the one whose turn it is.
  std::deque<Flow*> arrived_;  // Had nothing waiting.
  std::deque<Flow*> waiting_;
  // Bytes that those in `arrived_` may take before the next in `waiting_`.
  int64_t arrived_credit_ = kTurnBytes;
  std::vector<std::unique_ptr<Flow>> spare_;  // Unused, kept for their memory.
  // The tasks of flows that are held.
  absl::flat_hash_map<CommitFlow, std::deque<std::unique_ptr<CommitTask>>> held_;
};

}  // namespace eventhub
