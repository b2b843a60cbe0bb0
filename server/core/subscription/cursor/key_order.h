// Keeps the events of one partition key in order while those of other keys flow.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/base/types.h"

namespace eventhub {

// Of each key, only the first unsettled event may be delivered; later ones wait for it. Keys are
// identified by a hash; keys with the same hash wait for each other. Not thread-safe.
class KeyOrder {
 public:
  // Registers an event, unless it is registered; events of a key in order. Returns whether it may
  // be delivered now; if not, it waits.
  bool Admit(Offset event, uint64_t key);

  // Whether the event is registered and not settled.
  bool Knows(Offset event) const { return events_.contains(event.value()); }

  // The registered, unsettled events of [from, to), in order.
  std::vector<Offset> KnownOf(Offset from, Offset to) const;

  // Removes an event, if it is registered. Returns the event that may be delivered now instead.
  std::optional<Offset> Settle(Offset event);

  // Events that wait.
  size_t waiting() const { return events_.size() - keys_.size(); }

 private:
  static constexpr int64_t kNone = -1;

  struct Event {
    uint64_t key;
    int64_t next = kNone;  // The next event of the key.
  };
  struct Key {
    int64_t first;  // The event that may be delivered.
    int64_t last;
  };

  absl::flat_hash_map<int64_t, Event> events_;
  absl::flat_hash_map<uint64_t, Key> keys_;
};

}  // namespace eventhub
