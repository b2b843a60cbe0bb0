// Keeps the events of one partition key in order while those of other keys flow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/core/base/memory_meter.h"
#include "storage/base/types.h"

namespace eventhub {

// Of each key, only the first unsettled event may be delivered; later ones wait for it. Keys are
// identified by a hash; keys with the same hash wait for each other. Not thread-safe.
class KeyOrder {
 public:
  // Events that wait for earlier ones, unless memory allows fewer: see full().
  static constexpr size_t kMaxWaiting = 100'000;
  // Memory of an event.
  static constexpr size_t kEventBytes = 80;

  // The meter, if any, counts the memory.
  explicit KeyOrder(MemoryMeter* meter = nullptr) : meter_(meter) {}
  ~KeyOrder();
  KeyOrder(const KeyOrder&) = delete;
  KeyOrder& operator=(const KeyOrder&) = delete;

  // Registers an event, unless it is registered; events of a key in order. Returns whether it may
  // be delivered now; if not, it waits.
  bool Admit(Offset event, uint64_t key);

  // Whether the event is registered and not settled.
  bool Knows(Offset event) const { return events_.contains(event.value()); }

  // The registered, unsettled events of [from, to), in order.
  std::vector<Offset> KnownOf(Offset from, Offset to) const;

  // Removes an event, if it is registered, in constant time. Returns the event that may be
  // delivered now instead.
  std::optional<Offset> Settle(Offset event);

  // Events that wait.
  size_t waiting() const { return events_.size() - keys_.size(); }
  // Whether as many events wait as may.
  bool full() const;

 private:
  static constexpr int64_t kNone = -1;

  struct Event {
    uint64_t key;
    int64_t previous = kNone;  // Of the key.
    int64_t next = kNone;
  };
  struct Key {
    int64_t first;  // The event that may be delivered.
    int64_t last;
  };

  MemoryMeter* const meter_;
  absl::flat_hash_map<int64_t, Event> events_;
  absl::flat_hash_map<uint64_t, Key> keys_;
};

}  // namespace eventhub
