// Which events a handler may get next, in the order that the options require.
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

// Guarded by the subscriber's mutex. Deliveries wait in lanes: exclusive lanes, one for each
// partition or key, from which one handler at a time takes events, or one shared lane.
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

  // Applies to deliveries that are added afterwards; must not be kDefault.
  void SetOrder(Order order) { order_ = order; }

  void Add(std::shared_ptr<Delivery> delivery);

  // Takes at most `max_events` events that wait for no others; their lane is busy until Done. Skips
  // events that are void or whose lease expired by `now`, and makes their lease forget them.
  std::optional<Chunk> Take(size_t max_events, absl::Duration now);

  // The events of `chunk` from `next` on, to which `at` points, were not handled: they are next in
  // their lane again.
  void PutBack(const Chunk& chunk, EventBatch::Iterator at, size_t next);

  // Must be called last, once for each chunk.
  void Done(const Chunk& chunk) { Done(chunk, 1); }

  // Each event of `chunk` becomes a chunk of its own: Done must be called for each of them.
  void Separate(const Chunk& chunk);
  // Calls Done for `events` events of a separated chunk.
  void Done(const Chunk& chunk, size_t events);

  // Drops all waiting events.
  void Clear();

  // Whether events may wait for others to be done.
  bool in_order() const { return order_ != Order::kNone; }

  // Whether Take may return events; those that wait may all be void.
  bool ready() const { return !ready_.empty(); }

  // How many events were added and never taken.
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
    bool ready = false;  // Whether the lane is in ready_.
    size_t running = 0;  // Chunks taken and not done.
    std::vector<Item> items{};
    size_t head = 0;  // The index of the first waiting item.

    bool empty() const { return head == items.size(); }
    void Pop();
  };

  Lane& LaneFor(uint64_t key, bool exclusive);
  void AddByKey(const std::shared_ptr<Delivery>& delivery);
  void Add(Lane& lane, Item item);
  void MakeReady(Lane& lane);
  void ForgetIfIdle(Lane& lane);
  // Drops the first item if none of its events may be handled.
  bool DropVoid(Lane& lane, absl::Duration now);

  Order order_ = Order::kPerPartition;
  // The exclusive lanes, by partition or by hash of the key. The shared lane is separate, so that
  // no key collides with it.
  absl::flat_hash_map<uint64_t, std::unique_ptr<Lane>> lanes_;
  const std::unique_ptr<Lane> shared_;
  std::deque<Lane*> ready_;  // Lanes with items that may be taken.
  uint64_t dropped_ = 0;
};

}  // namespace eventhub::client
