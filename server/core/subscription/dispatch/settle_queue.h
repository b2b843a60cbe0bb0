// Requests of consumers that wait to be settled: each commit settles a bounded part of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/request_memory.h"
#include "server/core/subscription/dispatch/settlement.h"

namespace eventhub {

// A request, and its progress.
struct Settling {
  Settling(std::shared_ptr<Consumer> of, v1::ConsumeRequest what, bool to_disk)
      : consumer(std::move(of)),
        request(std::move(what)),
        synced(to_disk),
        memory(consumer->requests->Take(BytesOf(request))) {}

  const std::shared_ptr<Consumer> consumer;
  const v1::ConsumeRequest request;
  const bool synced;  // Whether each commit that carries out a part of it is synced.
  SettlePlace next;   // Where to continue.
  RefusedRanges refused;
  std::vector<Parked> parked;
  RequestMemory::Lease memory;  // Of the request.
};

// The requests of one subscription, in the order of submission. A commit carries out as many as
// `kWorkPerCommit` allows, so a large request delays the commits of others only briefly. Requests
// behind a large one wait for it, which keeps the order.
//
// Used by the commit thread; after a failed commit, by the cleanup that follows the last one.
class SettleQueue {
 public:
  // Pending ranges that one commit examines: about 1 ms.
  static constexpr size_t kWorkPerCommit = 2'000;

  void Add(std::shared_ptr<Settling> settling) { queue_.push_back(std::move(settling)); }
  bool empty() const { return queue_.empty(); }
  const std::shared_ptr<Settling>& first() const { return queue_.front(); }
  std::shared_ptr<Settling> Take() {
    std::shared_ptr<Settling> first = std::move(queue_.front());
    queue_.pop_front();
    return first;
  }

  // The number of pending ranges that a commit may still examine.
  size_t& WorkLeft(int64_t commit) {
    if (commit_ != commit) work_left_ = kWorkPerCommit;
    commit_ = commit;
    return work_left_;
  }

  // Whether a continuing task is submitted. There is one while the queue is not empty.
  bool continues = false;

 private:
  std::deque<std::shared_ptr<Settling>> queue_;
  int64_t commit_ = 0;
  size_t work_left_ = 0;
};

}  // namespace eventhub
