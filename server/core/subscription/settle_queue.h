// Requests of consumers on their way to being settled: a bounded part of them with each commit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/consumer.h"
#include "server/core/subscription/partition_cursor.h"
#include "server/core/subscription/settlement.h"

namespace eventhub {

// A request, and how far it is carried out.
struct Settling {
  Settling(std::shared_ptr<Consumer> of, v1::ConsumeRequest what, bool to_disk)
      : consumer(std::move(of)), request(std::move(what)), synced(to_disk) {}

  const std::shared_ptr<Consumer> consumer;
  const v1::ConsumeRequest request;
  const bool synced;  // Whether each commit that carries a part of it out is to be.
  SettlePlace next;   // Where to go on.
  v1::Settlement settlement;
  std::vector<Parked> parked;
};

// What waits for the commit thread, of one subscription, in the order of submission. A commit
// carries out as much of it as `kWorkPerCommit` allows, so that a request of any size holds the
// commits of others up for a moment at a time; requests behind a large one wait for it, so that
// they are settled in their order.
//
// For the commit thread; and when commits fail, for what comes after the last one that was begun.
class SettleQueue {
 public:
  // Pending ranges that one commit looks at: about 1 ms.
  static constexpr size_t kWorkPerCommit = 2'000;

  void Add(std::shared_ptr<Settling> settling) { queue_.push_back(std::move(settling)); }
  bool empty() const { return queue_.empty(); }
  const std::shared_ptr<Settling>& first() const { return queue_.front(); }
  std::shared_ptr<Settling> Take() {
    std::shared_ptr<Settling> first = std::move(queue_.front());
    queue_.pop_front();
    return first;
  }

  // How many pending ranges a commit may still look at.
  size_t& WorkLeft(int64_t commit) {
    if (commit_ != commit) work_left_ = kWorkPerCommit;
    commit_ = commit;
    return work_left_;
  }

  // Whether a task that goes on is submitted. There is one as long as there is anything to do.
  bool continues = false;

 private:
  std::deque<std::shared_ptr<Settling>> queue_;
  int64_t commit_ = 0;
  size_t work_left_ = 0;
};

}  // namespace eventhub
