// Ranges of offsets that grow together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/functional/function_ref.h"
#include "eventhub/position.h"

namespace eventhub::client {

// Disjoint ranges in order; neighbours are one. Thread-compatible.
class OffsetSet {
 public:
  // Adds a range, which is not empty. How many of its offsets were not there.
  uint64_t Add(OffsetRange range);

  // Calls `visit` for what of a range is not there.
  void ForEachMissing(OffsetRange range, absl::FunctionRef<void(OffsetRange)> visit) const;

  // The first range; there has to be one.
  OffsetRange first() const { return {ends_.begin()->first, ends_.begin()->second}; }

  // Removes the first range and gives it; there has to be one.
  OffsetRange TakeFirst();

  // How many offsets in [start, end) are in the set; they are removed.
  uint64_t Remove(int64_t start, int64_t end);

  bool empty() const { return ends_.empty(); }
  size_t size() const { return ends_.size(); }

 private:
  std::map<int64_t, int64_t> ends_;  // By start.
};

}  // namespace eventhub::client
