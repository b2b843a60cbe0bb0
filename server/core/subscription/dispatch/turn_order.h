// The order in which the partitions of a subscription are served.
#pragma once

#include <cstddef>
#include <iterator>
#include <list>
#include <vector>

namespace eventhub {

// Partitions in the order in which they were served, the least recent first: each partition with
// events is served before any other is served twice, whichever consumers connect and disconnect.
// Not thread-safe.
class TurnOrder {
 public:
  using Iterator = std::list<size_t>::const_iterator;

  // Begins with partition `first`, modulo their number when they are first added.
  explicit TurnOrder(size_t first) : first_(first) {}

  // Adds the partitions up to `size` to the end.
  void Grow(size_t size) {
    const bool begins = places_.empty();
    while (places_.size() < size) places_.push_back(turns_.insert(turns_.end(), places_.size()));
    if (!begins || size == 0) return;
    const auto skipped = static_cast<std::ptrdiff_t>(first_ % size);
    turns_.splice(turns_.end(), turns_, turns_.begin(), std::next(turns_.begin(), skipped));
  }

  Iterator begin() const { return turns_.begin(); }
  Iterator end() const { return turns_.end(); }

  // The partition was served: it goes to the end. Iterators to other partitions stay valid.
  void EndTurn(size_t partition) { turns_.splice(turns_.end(), turns_, places_[partition]); }

 private:
  const size_t first_;
  std::list<size_t> turns_;
  std::vector<std::list<size_t>::iterator> places_;  // In `turns_`, by partition.
};

}  // namespace eventhub
