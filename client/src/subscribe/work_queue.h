// Which events a handler may be given next: what the order asked for allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "client/src/subscribe/delivery.h"
#include "eventhub/subscriber.h"

namespace eventhub::client {

// Guarded by the subscriber's mutex. Deliveries wait in lanes: one for each partition, or key, of
// which one handler at a time takes, or one for all.
class WorkQueue {
 private:
  struct Lane;

 public:
  // Consecutive events of a delivery for one handler.
  struct Chunk {
    std::shared_ptr<Delivery> delivery;
    EventBatch::Iterator at;
    size_t first;
    size_t count;
    Lane* lane;
  };

  WorkQueue();
  ~WorkQueue();

  // For what is added from now on; not kDefault.
  void SetOrder(Order order) { order_ = order; }

  void Add(std::shared_ptr<Delivery> delivery);

  // At most `max_events` that nothing has to be finished before; they are out until Done. Skips
  // what is void, or whose lease has ended by `now`, and makes its lease forget it.
  std::optional<Chunk> Take(size_t max_events, absl::Duration now);

  // The events of `chunk` from `next` on, which `at` points to, were not handled: they come first
  // again.
  void PutBack(const Chunk& chunk, EventBatch::Iterator at, size_t next);

  // To be called once for each chunk, last.
  void Done(const Chunk& chunk);

  // Forgets all that waits.
  void Clear();

  // Whether Take has something, but for what is void.
  bool ready() const { return !ready_.empty(); }

  // Events that were added and never handed out.
  uint64_t dropped() const { return dropped_; }

 private:
  // Events [first, end) of a delivery; `at` points to the first.
  struct Item {
    std::shared_ptr<Delivery> delivery;
    EventBatch::Iterator at;
    size_t first;
    size_t end;
  };

  struct Lane {
    uint64_t key;
    bool exclusive;
    bool ready = false;  // Is in ready_.
    size_t running = 0;  // Chunks that are out.
    std::vector<Item> items{};
    size_t head = 0;  // In items.

    bool empty() const { return head == items.size(); }
    void Pop();
  };

  Lane& LaneFor(uint64_t key, bool exclusive);
  void AddByKey(const std::shared_ptr<Delivery>& delivery);
  void Add(Lane& lane, Item item);
  void MakeReady(Lane& lane);
  void ForgetIfIdle(Lane& lane);
  // Drops the first item if nothing of it may be handed out.
  bool DropVoid(Lane& lane, absl::Duration now);

  Order order_ = Order::kPerPartition;
  // Those that are not exclusive have their own, so that no key can be theirs.
  absl::flat_hash_map<uint64_t, std::unique_ptr<Lane>> lanes_;
  const std::unique_ptr<Lane> shared_;
  std::deque<Lane*> ready_;  // Each has items, and may be taken from.
  uint64_t dropped_ = 0;
};

}  // namespace eventhub::client
