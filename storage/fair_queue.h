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
// others by more than its share: a deficit round robin by bytes. A flow that has nothing waiting
// when its task arrives is served before those that wait for their next turn, but all such flows
// together get at most every second turn (compare FQ-CoDel, RFC 8290).
//
// A flow takes memory only while it has tasks here or owes bytes. Not thread-safe.
class FairQueue {
 public:
  // What a flow may take in a turn. What a larger task takes beyond it is owed, and paid for in
  // later turns.
  static constexpr int64_t kTurnBytes = 64 * 1024;

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  void Push(CommitFlow flow, std::unique_ptr<CommitTask> task);
  // Removes the task whose turn it is. Not on an empty queue.
  std::unique_ptr<CommitTask> Pop();

 private:
  struct Flow {
    CommitFlow id = kHubFlow;
    int64_t credit = 0;  // What it may still take in this turn; not above 0: its turn is over.
    std::deque<std::unique_ptr<CommitTask>> tasks;
  };

  std::unique_ptr<CommitTask> TakeFrom(Flow& flow);
  void Forget(Flow& flow);

  size_t size_ = 0;
  absl::flat_hash_map<CommitFlow, std::unique_ptr<Flow>> flows_;
  // Each flow is in one of these; the first is the one whose turn it is.
  std::deque<Flow*> arrived_;  // Had nothing waiting.
  std::deque<Flow*> waiting_;
  int64_t arrived_credit_ = kTurnBytes;       // What those in `arrived_` may take before the next
                                              // in `waiting_`.
  std::vector<std::unique_ptr<Flow>> spare_;  // Forgotten flows, which keep their memory.
};

}  // namespace eventhub
