// Keeps the events of one partition key in order while those of other keys flow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "server/core/base/memory_meter.h"
#include "storage/base/types.h"

namespace eventhub {

// Of each key, one event at a time has its *turn*, from its first delivery until it is settled,
// including its retries; the others wait. The next turn is that of the waiting event with the
// lowest offset, whenever it was registered: so a redriven or replayed event goes before all later
// ones that were not delivered yet. Keys are identified by a hash; keys with the same hash wait for
// each other.
//
// Each operation takes logarithmic time at most, except KnownOf. Not thread-safe.
class KeyOrder {
 public:
  // Events that wait, unless memory allows fewer: see full().
  static constexpr size_t kMaxWaiting = 100'000;
  // Memory of an event.
  static constexpr size_t kEventBytes = 80;

  // The meter, if any, counts the memory.
  explicit KeyOrder(MemoryMeter* meter = nullptr) : meter_(meter) {}
  ~KeyOrder();
  KeyOrder(const KeyOrder&) = delete;
  KeyOrder& operator=(const KeyOrder&) = delete;

  // Registers an event, unless it is registered. Returns whether it has its turn, or has just got
  // it: then it may be delivered; if not, it waits.
  bool Admit(Offset event, uint64_t key);

  // Whether the event is registered and not settled.
  bool Knows(Offset event) const { return events_.contains(event.value()); }

  // The registered, unsettled events of [from, to), in order.
  std::vector<Offset> KnownOf(Offset from, Offset to) const;

  // Removes an event, if it is registered. Returns the event that Admit gives the next turn instead
  // of it, unless an earlier one is registered first.
  std::optional<Offset> Settle(Offset event);

  // Events that wait.
  size_t waiting() const { return waiting_.size(); }
  // Whether as many events wait as may. The last part of the room is for extra events: live ones,
  // which fill all the rest, must not keep them from being registered.
  bool full(bool extra = false) const;

 private:
  static constexpr int64_t kNone = -1;

  struct Key {
    int64_t turn = kNone;
    size_t waiting = 0;
  };

  // The waiting event of the key with the lowest offset; there must be one.
  int64_t FirstWaiting(uint64_t key) const { return waiting_.lower_bound({key, 0})->second; }

  MemoryMeter* const meter_;
  absl::flat_hash_map<int64_t, uint64_t> events_;  // Their keys.
  absl::flat_hash_map<uint64_t, Key> keys_;        // Those with events.
  absl::btree_set<std::pair<uint64_t, int64_t>> waiting_;
};

}  // namespace eventhub
